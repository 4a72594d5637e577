#include "bench.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <vector>

namespace rdpass {
namespace {

double TimedRun(Network& network, const void* const* inputs, void* const* outputs) {
  const auto start = std::chrono::steady_clock::now();
  network.Run(inputs, outputs);
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// Of sorted times.
double Percentile(const std::vector<double>& times, double percent) {
  const auto rank = static_cast<size_t>(std::ceil(percent / 100 * static_cast<double>(times.size())));
  return times[std::max<size_t>(rank, 1) - 1];
}

}  // namespace

Times Measure(Network& network, const void* const* inputs, void* const* outputs, int runs) {
  const int warmup = std::max(3, runs / 10);
  for (int i = 0; i < warmup; ++i) network.Run(inputs, outputs);
  std::vector<double> times(static_cast<size_t>(runs));
  for (double& time : times) time = TimedRun(network, inputs, outputs);
  std::sort(times.begin(), times.end());
  const double mean = std::accumulate(times.begin(), times.end(), 0.0) / runs;
  return {runs, warmup, Percentile(times, 50), Percentile(times, 95), Percentile(times, 99),
          times.front(), times.back(), mean};
}

// Not getrusage, whose figure starts with what the process had before it became this program.
int64_t PeakResidentBytes() {
  std::FILE* file = std::fopen("/proc/self/status", "r");
  if (file == nullptr) return 0;
  long long kilobytes = 0;
  for (char line[256]; std::fgets(line, sizeof(line), file) != nullptr;) {
    if (std::sscanf(line, "VmHWM: %lld kB", &kilobytes) == 1) break;
  }
  std::fclose(file);
  return static_cast<int64_t>(kilobytes) * 1024;
}

}  // namespace rdpass
