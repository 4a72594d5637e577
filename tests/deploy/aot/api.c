// Uses a library through its header as a hostile caller would:  api < inputs > outputs
//
// 1. What can't be a model or a run is refused.
// 2. Arena, inputs and outputs end where a page begins that nobody may touch, and the arena holds NaN before the run: so
//    reading or writing outside, and reading what was never written, shows.
// 3. Nothing is allocated from the first init on (malloc and its like are wrapped when this is linked).
// 4. Runs repeat bit for bit: on the same model, with loops split into any number of tasks in any order, and on two
//    models in two threads at once. Inputs stay what they were.
// 5. 128 KB of stack are enough.
// 6. A run step by step gives the same bits; there are no other steps.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rdpass_model.h"

#define CHECK(condition)                                    \
  do {                                                      \
    if (!(condition)) {                                     \
      fprintf(stderr, "line %d: " #condition "\n", __LINE__); \
      exit(1);                                              \
    }                                                       \
  } while (0)

enum { kStack = 128 << 10 };

static long allocations;
#define COUNTED(result, name, parameters, arguments) \
  result __real_##name parameters;                   \
  result __wrap_##name parameters {                  \
    ++allocations;                                   \
    return __real_##name arguments;                  \
  }
COUNTED(void *, malloc, (size_t size), (size))
COUNTED(void *, calloc, (size_t count, size_t size), (count, size))
COUNTED(void *, realloc, (void *old, size_t size), (old, size))
COUNTED(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))
COUNTED(int, posix_memalign, (void **place, size_t alignment, size_t size), (place, alignment, size))

static void *Guarded(size_t bytes) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (bytes + page - 1) / page * page;
  char *room = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(room != MAP_FAILED);
  CHECK(mprotect(room + whole, page, PROT_NONE) == 0);
  memset(room, 0xff, whole);
  return room + whole - bytes;
}

typedef struct {
  unsigned char *arena;
  void *outputs[RDPASS_MODEL_OUTPUTS];
} Side;

static const void *inputs[RDPASS_MODEL_INPUTS];
static void *before[RDPASS_MODEL_INPUTS];

static Side MakeSide(void) {
  Side side;
  side.arena = Guarded(RDPASS_MODEL_ARENA_BYTES);
  for (int i = 0; i < RDPASS_MODEL_OUTPUTS; ++i) side.outputs[i] = Guarded(rdpass_model_outputs[i].bytes);
  return side;
}

static void CheckSame(const Side *a, const Side *b) {
  for (int i = 0; i < RDPASS_MODEL_OUTPUTS; ++i) {
    CHECK(memcmp(a->outputs[i], b->outputs[i], rdpass_model_outputs[i].bytes) == 0);
  }
  for (int i = 0; i < RDPASS_MODEL_INPUTS; ++i) CHECK(memcmp(inputs[i], before[i], rdpass_model_inputs[i].bytes) == 0);
}

static int Backwards(void *context, void (*task)(void *, int), void *data, int tasks) {
  ++*(int *)context;
  for (int i = tasks - 1; i >= 0; --i) task(data, i);
  return 0;
}

static int Broken(void *context, void (*task)(void *, int), void *data, int tasks) {
  (void)context, (void)task, (void)data, (void)tasks;
  return 1;
}

static void CheckRefusals(Side *side) {
  const void *no_inputs[RDPASS_MODEL_INPUTS] = {NULL};
  void *no_outputs[RDPASS_MODEL_OUTPUTS] = {NULL};
  const rdpass_model_launcher none = {1, NULL, NULL}, nobody = {0, Broken, NULL};
  CHECK(rdpass_model_arena_bytes() == RDPASS_MODEL_ARENA_BYTES);
  CHECK(rdpass_model_init(NULL, RDPASS_MODEL_ARENA_BYTES) == NULL);
  CHECK(rdpass_model_init(side->arena + 8, RDPASS_MODEL_ARENA_BYTES) == NULL);
  CHECK(rdpass_model_init(side->arena, RDPASS_MODEL_ARENA_BYTES - 1) == NULL);
  CHECK(rdpass_model_run(NULL, inputs, side->outputs) == RDPASS_MODEL_BAD_ARGUMENT);
  CHECK(rdpass_model_run((rdpass_model *)side->arena, inputs, side->outputs) == RDPASS_MODEL_BAD_ARGUMENT);
  rdpass_model *model = rdpass_model_init(side->arena, RDPASS_MODEL_ARENA_BYTES);
  CHECK(model != NULL);
  CHECK(rdpass_model_run(model, NULL, side->outputs) == RDPASS_MODEL_BAD_ARGUMENT);
  CHECK(rdpass_model_run(model, inputs, NULL) == RDPASS_MODEL_BAD_ARGUMENT);
  CHECK(rdpass_model_run(model, no_inputs, side->outputs) == RDPASS_MODEL_BAD_ARGUMENT);
  CHECK(rdpass_model_run(model, inputs, no_outputs) == RDPASS_MODEL_BAD_ARGUMENT);
  CHECK(rdpass_model_use_threads(NULL, NULL) == RDPASS_MODEL_BAD_ARGUMENT);
  CHECK(rdpass_model_use_threads(model, &none) == RDPASS_MODEL_BAD_ARGUMENT);
  CHECK(rdpass_model_use_threads(model, &nobody) == RDPASS_MODEL_BAD_ARGUMENT);
}

static void CheckTasks(rdpass_model *model, const Side *own, const Side *first) {
  int loops = 0;
  for (int tasks = 1; tasks <= 9; ++tasks) {
    const rdpass_model_launcher launcher = {tasks, Backwards, &loops};
    CHECK(rdpass_model_use_threads(model, &launcher) == RDPASS_MODEL_OK);
    for (int i = 0; i < RDPASS_MODEL_OUTPUTS; ++i) memset(own->outputs[i], 0xff, rdpass_model_outputs[i].bytes);
    CHECK(rdpass_model_run(model, inputs, own->outputs) == RDPASS_MODEL_OK);
    CheckSame(own, first);
  }
  const rdpass_model_launcher broken = {2, Broken, NULL};
  CHECK(rdpass_model_use_threads(model, &broken) == RDPASS_MODEL_OK);
  CHECK(rdpass_model_run(model, inputs, own->outputs) == (loops ? RDPASS_MODEL_FAILED : RDPASS_MODEL_OK));
  CHECK(rdpass_model_use_threads(model, NULL) == RDPASS_MODEL_OK);
  CHECK(rdpass_model_run(model, inputs, own->outputs) == RDPASS_MODEL_OK);
  CheckSame(own, first);
  fprintf(stderr, "%d parallel loops\n", loops / 9);
}

// Step by step a run is the same, whatever the caller does in between.
static void CheckSteps(rdpass_model *model, const Side *own, const Side *first) {
  for (int i = 0; i < RDPASS_MODEL_OUTPUTS; ++i) memset(own->outputs[i], 0xff, rdpass_model_outputs[i].bytes);
  for (int step = 0; step < RDPASS_MODEL_STEPS; ++step) {
    CHECK(rdpass_model_step(model, step, inputs, own->outputs) == RDPASS_MODEL_OK);
    CHECK(rdpass_model_step(model, -1, inputs, own->outputs) == RDPASS_MODEL_BAD_ARGUMENT);
    CHECK(rdpass_model_step(model, RDPASS_MODEL_STEPS, inputs, own->outputs) == RDPASS_MODEL_BAD_ARGUMENT);
    CHECK(rdpass_model_step(model, step, NULL, own->outputs) == RDPASS_MODEL_BAD_ARGUMENT);
    CHECK(rdpass_model_step(NULL, step, inputs, own->outputs) == RDPASS_MODEL_BAD_ARGUMENT);
  }
  CheckSame(own, first);
}

static void *RunMany(void *given) {
  Side *side = given;
  rdpass_model *model = rdpass_model_init(side->arena, RDPASS_MODEL_ARENA_BYTES);
  for (int i = 0; i < 5; ++i) CHECK(rdpass_model_run(model, inputs, side->outputs) == RDPASS_MODEL_OK);
  return NULL;
}

int main(void) {
  for (int i = 0; i < RDPASS_MODEL_INPUTS; ++i) {
    const size_t bytes = rdpass_model_inputs[i].bytes;
    inputs[i] = Guarded(bytes);
    before[i] = Guarded(bytes);
    CHECK(fread((void *)inputs[i], 1, bytes, stdin) == bytes);
    memcpy(before[i], inputs[i], bytes);
  }
  Side first = MakeSide(), second = MakeSide();
  const long so_far = allocations;
  CheckRefusals(&first);
  rdpass_model *model = rdpass_model_init(first.arena, RDPASS_MODEL_ARENA_BYTES);
  CHECK(rdpass_model_run(model, inputs, first.outputs) == RDPASS_MODEL_OK);
  rdpass_model *other = rdpass_model_init(second.arena, RDPASS_MODEL_ARENA_BYTES);
  CHECK(rdpass_model_run(other, inputs, second.outputs) == RDPASS_MODEL_OK);
  CheckSame(&second, &first);
  CheckTasks(other, &second, &first);
  CheckSteps(other, &second, &first);
  CHECK(allocations == so_far);

  Side sides[2] = {MakeSide(), MakeSide()};
  pthread_t threads[2];
  pthread_attr_t narrow;
  CHECK(pthread_attr_init(&narrow) == 0 && pthread_attr_setstacksize(&narrow, kStack) == 0);
  for (int i = 0; i < 2; ++i) CHECK(pthread_create(&threads[i], &narrow, RunMany, &sides[i]) == 0);
  for (int i = 0; i < 2; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
  for (int i = 0; i < 2; ++i) CheckSame(&sides[i], &first);
  for (int i = 0; i < RDPASS_MODEL_OUTPUTS; ++i) fwrite(first.outputs[i], 1, rdpass_model_outputs[i].bytes, stdout);
  return 0;
}
