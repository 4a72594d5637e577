#include "bench.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "stopwatch.h"

namespace rdpass {
namespace {

double TimedRun(Network& network, const void* const* inputs, void* const* outputs) {
  const Stopwatch stopwatch;
  network.Run(inputs, outputs);
  return stopwatch.ms();
}

int Warmup(int runs) { return std::max(3, runs / 10); }

// Of sorted times.
double Percentile(const std::vector<double>& times, double percent) {
  const auto rank = static_cast<size_t>(std::ceil(percent / 100 * static_cast<double>(times.size())));
  return times[std::max<size_t>(rank, 1) - 1];
}

Times TimesOf(std::vector<double> times, int warmup) {
  std::sort(times.begin(), times.end());
  const auto runs = static_cast<double>(times.size());
  const double mean = std::accumulate(times.begin(), times.end(), 0.0) / runs;
  return {static_cast<int>(times.size()), warmup, Percentile(times, 50), Percentile(times, 95), Percentile(times, 99),
          times.front(), times.back(), mean};
}

}  // namespace

Times Measure(Network& network, const void* const* inputs, void* const* outputs, int runs) {
  const int warmup = Warmup(runs);
  for (int i = 0; i < warmup; ++i) network.Run(inputs, outputs);
  std::vector<double> times(static_cast<size_t>(runs));
  for (double& time : times) time = TimedRun(network, inputs, outputs);
  return TimesOf(std::move(times), warmup);
}

LayerTimes MeasureLayers(Network& network, const void* const* inputs, void* const* outputs, int runs) {
  const int warmup = Warmup(runs);
  for (int i = 0; i < warmup; ++i) network.RunTimed(inputs, outputs);
  std::vector<double> whole;
  std::vector<std::string> functions;
  std::vector<std::vector<double>> starts, times;
  for (int i = 0; i < runs; ++i) {
    const Stopwatch stopwatch;
    const std::vector<CallTime>& calls = network.RunTimed(inputs, outputs);
    whole.push_back(stopwatch.ms());
    if (i == 0) {
      for (const CallTime& call : calls) functions.push_back(call.function);
      starts.resize(calls.size());
      times.resize(calls.size());
    }
    if (calls.size() != functions.size()) throw std::runtime_error("two inferences made different calls");
    for (size_t j = 0; j < calls.size(); ++j) {
      starts[j].push_back(calls[j].start_ms);
      times[j].push_back(calls[j].ms);
    }
  }
  LayerTimes found{TimesOf(std::move(whole), warmup), {}};
  for (size_t j = 0; j < functions.size(); ++j) {
    std::sort(starts[j].begin(), starts[j].end());
    found.calls.push_back({functions[j], Percentile(starts[j], 50), TimesOf(std::move(times[j]), warmup)});
  }
  return found;
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
