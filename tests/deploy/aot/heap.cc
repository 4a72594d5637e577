// Says what the network of the runner takes of the heap:  heap THREADS
//
// Prints the arena's bytes, the bytes of the heap that the network took when it was made, and how often anything was
// allocated while it ran (malloc and its like are wrapped when this is linked).
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "ahead_network.h"

namespace {

long allocations = 0;

size_t HeapBytes() {
  const struct mallinfo2 heap = mallinfo2();
  return heap.uordblks + heap.hblkhd;
}

}  // namespace

extern "C" {
void* __real_malloc(size_t size);
void* __wrap_malloc(size_t size) { return ++allocations, __real_malloc(size); }
void* __real_calloc(size_t count, size_t size);
void* __wrap_calloc(size_t count, size_t size) { return ++allocations, __real_calloc(count, size); }
void* __real_realloc(void* old, size_t size);
void* __wrap_realloc(void* old, size_t size) { return ++allocations, __real_realloc(old, size); }
int __real_posix_memalign(void** place, size_t alignment, size_t size);
int __wrap_posix_memalign(void** place, size_t alignment, size_t size) {
  return ++allocations, __real_posix_memalign(place, alignment, size);
}
}

int main(int, char** argv) {
  std::vector<rdpass::Tensor> inputs, outputs;
  std::vector<const void*> given;
  std::vector<void*> written;
  for (const auto& spec : rdpass::description().inputs) inputs.emplace_back(spec);
  for (const auto& spec : rdpass::description().outputs) outputs.emplace_back(spec);
  for (auto& tensor : inputs) given.push_back(tensor.data());
  for (auto& tensor : outputs) written.push_back(tensor.data());
  const size_t before = HeapBytes();
  rdpass::AheadNetwork network(std::atoi(argv[1]));
  const size_t taken = HeapBytes() - before;
  const long so_far = allocations;
  network.Run(given.data(), written.data());
  std::printf("%zu %zu %ld\n", rdpass_model_arena_bytes(), taken, allocations - so_far);
  return 0;
}
