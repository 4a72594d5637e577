// How long one inference and its parts take on this machine, and how much memory the process has had at most.
#ifndef RDPASS_RUNTIME_BENCH_H_
#define RDPASS_RUNTIME_BENCH_H_

#include <cstdint>
#include <string>
#include <vector>

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

// Of one call of a function: its name, empty where it is not known, the median of when it began after the inference did,
// and how long it took.
struct LayerTime {
  std::string function;
  double start_ms;
  Times times;
};

// Whole inferences under timers, and each of their calls in order.
struct LayerTimes {
  Times whole;
  std::vector<LayerTime> calls;
};

// As Measure, with a timer around each call.
LayerTimes MeasureLayers(Network& network, const void* const* inputs, void* const* outputs, int runs);

// The largest resident set this process has had, in bytes; 0 where the system does not say.
int64_t PeakResidentBytes();

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_BENCH_H_
