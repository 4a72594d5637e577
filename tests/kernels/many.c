// Calls many functions that TVM compiled, without TVM's runtime, each once:  many  (it reads ./calls and ./before)
//
// "calls" holds for each kernel the number of its parameters and for each parameter its type (DLPack's code, bits), its
// number of dimensions and its extents. "before" holds what all parameters hold before their call, one behind the other;
// "after" gets what they hold then. kernels.h, made for the occasion, lists the kernels: X(kernel_0) X(kernel_1) ...
//
// Workspaces hold NaN at first, so that reading what was never written shows. Parallel loops run as kTasks tasks, one
// after the other.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tvm/ffi/c_api.h>

#include "kernels.h"

enum { kTasks = 3, kAlignment = 64, kMaxParameters = 16 };

typedef int (*Kernel)(void* self, const TVMFFIAny* arguments, int32_t count, TVMFFIAny* result);
#define X(name) extern int __tvm_ffi_##name(void*, const TVMFFIAny*, int32_t, TVMFFIAny*);
KERNELS
#undef X
#define X(name) __tvm_ffi_##name,
static const Kernel kernels[] = {KERNELS};
#undef X

typedef struct {
  void* sync;
  int32_t num_task;
} ParallelGroup;
typedef int (*ParallelTask)(int task, ParallelGroup* group, void* data);

static void Fail(const char* what, size_t kernel) {
  fprintf(stderr, "kernel %zu: %s\n", kernel, what);
  exit(1);
}

static void* Room(size_t bytes) {
  void* data = NULL;
  if (posix_memalign(&data, kAlignment, bytes + kAlignment)) abort();
  return memset(data, 0xff, bytes);
}

static void* AllocWorkspace(int device, int id, uint64_t bytes, int code, int bits) { return Room(bytes); }

static int FreeWorkspace(int device, int id, void* data) {
  free(data);
  return 0;
}

static int ParallelLaunch(ParallelTask task, void* data, int tasks) {
  ParallelGroup group = {NULL, kTasks};
  for (int i = 0; i < kTasks; ++i) {
    if (task(i, &group, data)) return -1;
  }
  return 0;
}

static int ParallelBarrier(int task, ParallelGroup* group) { return -1; }

// What compiled code asks its runtime for, through pointers that it looks for by these names.
void* (*__TVMBackendAllocWorkspace)(int, int, uint64_t, int, int) __attribute__((weak));
int (*__TVMBackendFreeWorkspace)(int, int, void*) __attribute__((weak));
int (*__TVMBackendParallelLaunch)(ParallelTask, void*, int) __attribute__((weak));
int (*__TVMBackendParallelBarrier)(int, ParallelGroup*) __attribute__((weak));

void TVMFFIErrorSetRaisedFromCStrParts(const char* kind, const char** parts, int32_t size) {
  fprintf(stderr, "%s: ", kind);
  for (int i = 0; i < size; ++i) fputs(parts[i], stderr);
  fputc('\n', stderr);
}

void TVMFFIErrorSetRaisedFromCStr(const char* kind, const char* message) { fprintf(stderr, "%s: %s\n", kind, message); }

static void Run(size_t kernel, FILE* calls, FILE* before, FILE* after) {
  DLTensor tensors[kMaxParameters] = {0};
  TVMFFIAny arguments[kMaxParameters] = {0}, result = {0};
  size_t bytes[kMaxParameters];
  int count, code, bits;
  if (fscanf(calls, "%d", &count) != 1 || count > kMaxParameters) Fail("no parameters", kernel);
  for (int i = 0; i < count; ++i) {
    DLTensor* tensor = &tensors[i];
    if (fscanf(calls, "%d %d %d", &code, &bits, &tensor->ndim) != 3) Fail("cut off", kernel);
    tensor->shape = calloc(tensor->ndim, sizeof(int64_t));
    bytes[i] = bits / 8;
    for (int axis = 0; axis < tensor->ndim; ++axis) {
      if (fscanf(calls, "%ld", &tensor->shape[axis]) != 1) Fail("cut off", kernel);
      bytes[i] *= tensor->shape[axis];
    }
    tensor->dtype = (DLDataType){code, bits, 1};
    tensor->device = (DLDevice){kDLCPU, 0};
    tensor->data = Room(bytes[i]);
    if (fread(tensor->data, 1, bytes[i], before) != bytes[i]) Fail("contents cut off", kernel);
    arguments[i].type_index = kTVMFFIDLTensorPtr;
    arguments[i].v_ptr = tensor;
  }
  if (kernels[kernel](NULL, arguments, count, &result)) Fail("it failed", kernel);
  for (int i = 0; i < count; ++i) {
    fwrite(tensors[i].data, 1, bytes[i], after);
    free(tensors[i].data);
    free(tensors[i].shape);
  }
}

int main(void) {
  // The pointers are common symbols of the kernels' where they have them, and then hold nothing yet.
  __TVMBackendAllocWorkspace = AllocWorkspace;
  __TVMBackendFreeWorkspace = FreeWorkspace;
  __TVMBackendParallelLaunch = ParallelLaunch;
  __TVMBackendParallelBarrier = ParallelBarrier;
  FILE *calls = fopen("calls", "r"), *before = fopen("before", "rb"), *after = fopen("after", "wb");
  if (!calls || !before || !after) return 2;
  for (size_t kernel = 0; kernel < sizeof(kernels) / sizeof(*kernels); ++kernel) Run(kernel, calls, before, after);
  return fclose(after);
}
