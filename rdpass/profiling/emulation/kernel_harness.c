// Calls one function that TVM compiled, without TVM's runtime:  kernel  (it reads ./tensors, see below)
//
// "tensors" holds a line for each parameter: its direction (in, out, inout), DLPack type code and bits, the number of
// dimensions, the extents. Contents come from 0.bin, 1.bin, ..., and what out and inout hold afterwards goes there.
//
// 1. A first call warms the caches. Outputs and workspaces hold NaN before it, so that reading what was never written
//    shows.
// 2. inout tensors get their first contents back, and a second call is made between the two marks of counting.c.
// 3. Both calls have to give the same bits.
// stdout: "workspace N", the most bytes of workspace held at a time.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <tvm/ffi/c_api.h>

enum { kStart = 0x52440001, kStop = 0x52440002, kAlignment = 64, kMaxTensors = 64, kMaxWorkspaces = 256 };

extern int __tvm_ffi_kernel(void* self, const TVMFFIAny* arguments, int32_t count, TVMFFIAny* result);

typedef struct {
  char direction[8];
  DLTensor tensor;
  size_t bytes;
  void *before, *first;  // contents before any call; what the first call gave
} Parameter;

static Parameter parameters[kMaxTensors];
static TVMFFIAny arguments[kMaxTensors];
static int count;

static void Fail(const char* what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

// What compiled code asks its runtime for, through pointers that it looks for by these names. A kernel that needs
// none of one kind has no such pointer.
typedef struct {
  void* sync;
  int32_t num_task;
} ParallelGroup;
typedef int (*ParallelTask)(int task, ParallelGroup* group, void* data);

// Workspaces lie one above the other, so that the second call finds them where the first had them, as in TVM's pool.
static char arena[256 << 20] __attribute__((aligned(64)));
static struct {
  size_t start, end;
} held[kMaxWorkspaces];
static int held_count;
static size_t held_bytes, most_bytes;
static int warming = 1;

static void* AllocWorkspace(int device, int id, uint64_t bytes, int code, int bits) {
  size_t start = 0;
  for (int i = 0; i < held_count; ++i) start = held[i].end > start ? held[i].end : start;
  start = (start + kAlignment - 1) / kAlignment * kAlignment;
  if (held_count == kMaxWorkspaces || start + bytes > sizeof(arena)) Fail("more workspace than the harness has");
  if (warming) memset(arena + start, 0xff, bytes);
  held[held_count].start = start;
  held[held_count++].end = start + bytes;
  held_bytes += bytes;
  if (held_bytes > most_bytes) most_bytes = held_bytes;
  return arena + start;
}

static int FreeWorkspace(int device, int id, void* data) {
  for (int i = held_count - 1; i >= 0; --i) {
    if (arena + held[i].start != data) continue;
    held_bytes -= held[i].end - held[i].start;
    held[i] = held[--held_count];
    return 0;
  }
  return -1;
}

static int ParallelLaunch(ParallelTask task, void* data, int tasks) {
  ParallelGroup group = {NULL, 1};
  return task(0, &group, data);
}

static int ParallelBarrier(int task, ParallelGroup* group) { return 0; }

void* (*__TVMBackendAllocWorkspace)(int, int, uint64_t, int, int) __attribute__((weak)) = AllocWorkspace;
int (*__TVMBackendFreeWorkspace)(int, int, void*) __attribute__((weak)) = FreeWorkspace;
int (*__TVMBackendParallelLaunch)(ParallelTask, void*, int) __attribute__((weak)) = ParallelLaunch;
int (*__TVMBackendParallelBarrier)(int, ParallelGroup*) __attribute__((weak)) = ParallelBarrier;

void TVMFFIErrorSetRaisedFromCStrParts(const char* kind, const char** parts, int32_t size) {
  fprintf(stderr, "%s: ", kind);
  for (int i = 0; i < size; ++i) fputs(parts[i], stderr);
  fputc('\n', stderr);
}

void TVMFFIErrorSetRaisedFromCStr(const char* kind, const char* message) { fprintf(stderr, "%s: %s\n", kind, message); }

static void* Room(size_t bytes) {
  void* data = NULL;
  if (posix_memalign(&data, kAlignment, bytes + kAlignment)) Fail("out of memory");
  return data;
}

static int Is(const Parameter* parameter, const char* direction) { return !strcmp(parameter->direction, direction); }

static FILE* Open(int index, const char* mode) {
  char name[32];
  snprintf(name, sizeof(name), "%d.bin", index);
  FILE* file = fopen(name, mode);
  if (!file) Fail(name);
  return file;
}

static int ReadParameter(FILE* file, int index) {
  Parameter* p = &parameters[index];
  unsigned code, bits;
  if (fscanf(file, "%7s %u %u %d", p->direction, &code, &bits, &p->tensor.ndim) != 4) return 0;
  int64_t elements = 1;
  p->tensor.shape = calloc(p->tensor.ndim + 1, sizeof(int64_t));
  for (int i = 0; i < p->tensor.ndim; ++i) {
    if (fscanf(file, "%ld", &p->tensor.shape[i]) != 1) Fail("tensors: cut off");
    elements *= p->tensor.shape[i];
  }
  p->tensor.dtype = (DLDataType){(uint8_t)code, (uint8_t)bits, 1};
  p->tensor.device = (DLDevice){kDLCPU, 0};
  p->bytes = elements * bits / 8;
  p->tensor.data = memset(Room(p->bytes), 0xff, p->bytes);
  if (!Is(p, "out")) {
    FILE* contents = Open(index, "rb");
    if (fread(p->tensor.data, 1, p->bytes, contents) != p->bytes) Fail("contents cut off");
    fclose(contents);
  }
  if (!Is(p, "in")) {
    p->before = memcpy(Room(p->bytes), p->tensor.data, p->bytes);
    p->first = Room(p->bytes);
  }
  arguments[index].type_index = kTVMFFIDLTensorPtr;
  arguments[index].v_ptr = &p->tensor;
  return 1;
}

static void Call(void) {
  TVMFFIAny result = {0};
  if (__tvm_ffi_kernel(NULL, arguments, count, &result)) Fail("the kernel failed");
}

int main(void) {
  // The pointers are common symbols of the kernel's where it has them, and then hold nothing yet.
  __TVMBackendAllocWorkspace = AllocWorkspace;
  __TVMBackendFreeWorkspace = FreeWorkspace;
  __TVMBackendParallelLaunch = ParallelLaunch;
  __TVMBackendParallelBarrier = ParallelBarrier;
  FILE* file = fopen("tensors", "r");
  if (!file) Fail("tensors");
  while (count < kMaxTensors && ReadParameter(file, count)) ++count;
  fclose(file);
  Call();
  for (int i = 0; i < count; ++i) {
    if (Is(&parameters[i], "in")) continue;
    memcpy(parameters[i].first, parameters[i].tensor.data, parameters[i].bytes);
    if (Is(&parameters[i], "inout")) memcpy(parameters[i].tensor.data, parameters[i].before, parameters[i].bytes);
  }
  warming = 0;
  getpriority(kStart, 0);
  Call();
  getpriority(kStop, 0);
  for (int i = 0; i < count; ++i) {
    if (Is(&parameters[i], "in")) continue;
    if (memcmp(parameters[i].first, parameters[i].tensor.data, parameters[i].bytes)) Fail("two calls differ");
    FILE* contents = Open(i, "wb");
    fwrite(parameters[i].tensor.data, 1, parameters[i].bytes, contents);
    fclose(contents);
  }
  printf("workspace %zu\n", most_bytes);
  return 0;
}
