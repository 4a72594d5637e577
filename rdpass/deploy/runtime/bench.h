// How long one inference takes on this machine, and how much memory the process has had at most.
#ifndef RDPASS_RUNTIME_BENCH_H_
#define RDPASS_RUNTIME_BENCH_H_

#include <cstdint>

#include "network.h"

namespace rdpass {

// Milliseconds of the timed runs; percentiles by nearest rank.
struct Times {
  int runs;
  int warmup;
  double p50_ms, p95_ms, p99_ms, min_ms, max_ms, mean_ms;
};

// `runs` timed inferences after a tenth as many, at least three, that are not.
Times Measure(Network& network, const void* const* inputs, void* const* outputs, int runs);

// The largest resident set this process has had, in bytes; 0 where the system does not say.
int64_t PeakResidentBytes();

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_BENCH_H_
