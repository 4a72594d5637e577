// A plugin for qemu-aarch64 (plugin API version 1: QEMU 4.2 to 8.2). Between two marks in the emulated program it counts
// how often each translation block runs and which memory accesses miss a simulated L1 and L2 cache.
//
//   qemu-aarch64 -plugin counting.so,out=FILE[,l1=BYTES,l1ways=N,l2=BYTES,l2ways=N] PROGRAM
//
// The marks are getpriority(kStart, 0) and getpriority(kStop, 0): calls that no program makes and that change nothing.
// Caches: 64-byte lines, least recently used, filled by loads and stores alike, no prefetching, physically exclusive of
// nothing (a line may be in both). They are filled from the program's start on; misses count between the marks only.
//
// FILE, written at the second mark: "accesses N l1_misses N l2_misses N", then a line for each block that ran:
//   ADDRESS RUNS L1_MISSES L2_MISSES OPCODE...      (hexadecimal, decimal, decimal, decimal, hexadecimal)
// One thread is assumed: counters are not atomic.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// QEMU's plugin interface, as far as it is used here; Debian has no package of its header.
typedef uint64_t PluginId;
typedef uint32_t MemoryInfo;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { kInlineAdd = 0, kNoRegisters = 0, kReadsAndWrites = 3 };
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb*);
extern struct qemu_plugin_insn* qemu_plugin_tb_get_insn(const struct qemu_plugin_tb*, size_t);
extern const void* qemu_plugin_insn_data(const struct qemu_plugin_insn*);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn*);
extern unsigned qemu_plugin_mem_size_shift(MemoryInfo);
extern void qemu_plugin_register_vcpu_tb_trans_cb(PluginId, void (*)(PluginId, struct qemu_plugin_tb*));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb*, int, void*, uint64_t);
extern void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn*,
                                             void (*)(unsigned, MemoryInfo, uint64_t, void*), int, int, void*);
extern void qemu_plugin_register_vcpu_syscall_cb(PluginId, void (*)(PluginId, unsigned, int64_t, uint64_t, uint64_t,
                                                                    uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                                                    uint64_t));
#define EXPORTED __attribute__((visibility("default")))
EXPORTED int qemu_plugin_version = 1;

enum { kGetPriority = 141, kStart = 0x52440001, kStop = 0x52440002, kLineBits = 6, kOpcodeBytes = 4 };

typedef struct Block {
  uint64_t address, runs, runs_before, l1_misses, l2_misses;
  size_t size;
  uint32_t* opcodes;
  struct Block* next;
} Block;

// Each set's lines, most recently used first; a cache of size 0 is none.
typedef struct {
  uint64_t bytes, ways, sets, misses;
  uint64_t* lines;
} Cache;

static Block* blocks;
static Cache l1, l2;
static uint64_t accesses;
static char* out;

// Whether the line was there; it is now, in front.
static bool Touch(Cache* cache, uint64_t line) {
  uint64_t* set = cache->lines + line % cache->sets * cache->ways;
  uint64_t way = 0;
  while (way < cache->ways && set[way] != line) ++way;
  const bool found = way < cache->ways;
  memmove(set + 1, set, (found ? way : cache->ways - 1) * sizeof(*set));
  set[0] = line;
  cache->misses += !found;
  return found;
}

static void Access(unsigned vcpu, MemoryInfo info, uint64_t address, void* data) {
  Block* block = data;
  const uint64_t last = (address + (1u << qemu_plugin_mem_size_shift(info)) - 1) >> kLineBits;
  ++accesses;
  for (uint64_t line = address >> kLineBits; line <= last; ++line) {
    if (Touch(&l1, line)) continue;
    ++block->l1_misses;
    if (!Touch(&l2, line)) ++block->l2_misses;
  }
}

static void Translated(PluginId id, struct qemu_plugin_tb* tb) {
  Block* block = calloc(1, sizeof(*block));
  block->size = qemu_plugin_tb_n_insns(tb);
  block->opcodes = malloc(block->size * kOpcodeBytes);
  block->address = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
  for (size_t i = 0; i < block->size; ++i) {
    struct qemu_plugin_insn* instruction = qemu_plugin_tb_get_insn(tb, i);
    memcpy(block->opcodes + i, qemu_plugin_insn_data(instruction), kOpcodeBytes);
    if (l1.bytes) qemu_plugin_register_vcpu_mem_cb(instruction, Access, kNoRegisters, kReadsAndWrites, block);
  }
  qemu_plugin_register_vcpu_tb_exec_inline(tb, kInlineAdd, &block->runs, 1);
  block->next = blocks;
  blocks = block;
}

static void Start(void) {
  accesses = l1.misses = l2.misses = 0;
  for (Block* block = blocks; block; block = block->next) {
    block->runs_before = block->runs;
    block->l1_misses = block->l2_misses = 0;
  }
}

static void Stop(void) {
  FILE* file = fopen(out, "w");
  if (!file) return;
  fprintf(file, "accesses %lu l1_misses %lu l2_misses %lu\n", accesses, l1.misses, l2.misses);
  for (Block* block = blocks; block; block = block->next) {
    const uint64_t runs = block->runs - block->runs_before;
    if (!runs) continue;
    fprintf(file, "%lx %lu %lu %lu", block->address, runs, block->l1_misses, block->l2_misses);
    for (size_t i = 0; i < block->size; ++i) fprintf(file, " %08x", block->opcodes[i]);
    fputc('\n', file);
  }
  fclose(file);
}

static void SystemCall(PluginId id, unsigned vcpu, int64_t number, uint64_t which, uint64_t a2, uint64_t a3,
                       uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  if (number == kGetPriority && which == kStart) Start();
  if (number == kGetPriority && which == kStop) Stop();
}

static void Make(Cache* cache) {
  if (!cache->bytes) return;
  cache->sets = (cache->bytes >> kLineBits) / cache->ways;
  const size_t bytes = cache->sets * cache->ways * sizeof(*cache->lines);
  cache->lines = malloc(bytes);
  memset(cache->lines, 0xff, bytes);
}

EXPORTED int qemu_plugin_install(PluginId id, const void* info, int count, char** arguments) {
  l1.ways = l2.ways = 1;
  for (int i = 0; i < count; ++i) {
    if (!strncmp(arguments[i], "out=", 4)) out = strdup(arguments[i] + 4);
    sscanf(arguments[i], "l1=%lu", &l1.bytes);
    sscanf(arguments[i], "l1ways=%lu", &l1.ways);
    sscanf(arguments[i], "l2=%lu", &l2.bytes);
    sscanf(arguments[i], "l2ways=%lu", &l2.ways);
  }
  if (!out || (l1.bytes && !l2.bytes)) return -1;
  Make(&l1);
  Make(&l2);
  qemu_plugin_register_vcpu_tb_trans_cb(id, Translated);
  qemu_plugin_register_vcpu_syscall_cb(id, SystemCall);
  return 0;
}
