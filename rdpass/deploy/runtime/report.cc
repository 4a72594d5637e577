#include "report.h"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <vector>

#include "cpu_features.h"
#include "failure.h"

namespace rdpass {
namespace {

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (char letter : text) {
    if (letter == '"' || letter == '\\') {
      quoted += '\\';
      quoted += letter;
    } else if (static_cast<unsigned char>(letter) < ' ') {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", letter);
      quoted += escape;
    } else {
      quoted += letter;
    }
  }
  return quoted + '"';
}

template <typename Items, typename Text>
std::string List(const Items& items, Text text) {
  std::string list;
  for (const auto& item : items) list += (list.empty() ? "" : ", ") + text(item);
  return "[" + list + "]";
}

std::string SpecText(const TensorSpec& spec) {
  return "{\"name\": " + Quoted(spec.name) + ", \"dtype\": " + Quoted(spec.dtype) + ", \"shape\": " +
         List(spec.shape, [](int64_t extent) { return std::to_string(extent); }) + "}";
}

std::string Millis(const char* name, double value, const char* before = ", ") {
  char text[64];
  std::snprintf(text, sizeof(text), "%s\"%s\": %.6f", before, name, value);
  return text;
}

std::string Whole(const char* name, int64_t value) {
  return std::string(", \"") + name + "\": " + std::to_string(value);
}

std::string Planned(const Description& description) {
  return Whole("planned_activation_bytes", description.activation_bytes) +
         Whole("planned_workspace_bytes", description.workspace_bytes);
}

constexpr size_t kMostPrinted = 2000;
constexpr size_t kMostClasses = 5;

std::string ClassName(const Description& description, size_t index) {
  return index < description.labels.size() ? description.labels[index] : std::to_string(index);
}

std::string Spread(const Times& times) {
  return Millis("p50_ms", times.p50_ms, "") + Millis("p95_ms", times.p95_ms) + Millis("p99_ms", times.p99_ms) +
         Millis("min_ms", times.min_ms) + Millis("max_ms", times.max_ms) + Millis("mean_ms", times.mean_ms);
}

std::string Figures(const Description& description, const Times& times, int threads, double load_ms) {
  return "\"target\": " + Quoted(description.target) + Whole("runs", times.runs) + Whole("warmup", times.warmup) +
         ", \"threads\": " + (threads ? std::to_string(threads) : "null") + ", " + Spread(times) +
         Millis("load_ms", load_ms) + Whole("peak_rss_bytes", PeakResidentBytes()) + Planned(description);
}

std::string CallText(const LayerTime& call) {
  return "{\"function\": " + Quoted(call.function) + Millis("start_ms", call.start_ms) + ", " + Spread(call.times) + "}";
}

}  // namespace

std::string Printable(const std::string& text) {
  std::string line = text.substr(0, kMostPrinted);
  for (size_t i = 0; i < line.size(); ++i) {
    const unsigned char letter = static_cast<unsigned char>(line[i]);
    const unsigned char next = i + 1 < line.size() ? static_cast<unsigned char>(line[i + 1]) : 0;
    if (letter < ' ' || letter == 0x7f) line[i] = letter == '\n' ? ' ' : '?';
    if (letter == 0xc2 && next >= 0x80 && next < 0xa0) line[i] = line[i + 1] = '?';  // those above ASCII, in UTF-8
  }
  return text.size() > kMostPrinted ? line + "..." : line;
}

std::string ClassesText(const Description& description, const Tensor& output) {
  const TensorSpec& spec = description.outputs.at(0);
  if (spec.dtype == "int64" && spec.shape.size() == 1 && spec.shape[0] == 1) {
    const int64_t index = *static_cast<const int64_t*>(output.data());
    return Printable(ClassName(description, static_cast<size_t>(index))) + "\n";
  }
  if (spec.dtype != "float32" || spec.shape.size() != 2 || spec.shape[0] != 1) {
    throw Failure(kUsage, "'" + spec.name + "' is " + spec.dtype + " " + ShapeText(spec) +
                              ", no scores of classes to print; name a file for each output");
  }
  const float* const scores = static_cast<const float*>(output.data());
  std::vector<size_t> order(ElementCount(spec));
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [scores](size_t a, size_t b) { return scores[a] > scores[b]; });
  order.resize(std::min(order.size(), kMostClasses));
  std::string text;
  for (const size_t index : order) {
    char score[64];
    std::snprintf(score, sizeof(score), "%.4f  ", scores[index]);
    text += score + Printable(ClassName(description, index)) + "\n";
  }
  return text;
}

std::string InfoText(const Description& description) {
  return "{\"target\": " + Quoted(description.target) + ", \"architecture\": " + Quoted(description.architecture) +
         ", \"features\": " + List(description.features, Quoted) +
         ", \"missing_features\": " + List(MissingFeatures(description.features), Quoted) +
         ", \"inputs\": " + List(description.inputs, SpecText) +
         ", \"outputs\": " + List(description.outputs, SpecText) + Planned(description) + "}\n";
}

std::string BenchText(const Description& description, const Times& times, int threads, double load_ms) {
  return "{" + Figures(description, times, threads, load_ms) + "}\n";
}

std::string ProfileText(const Description& description, const Times& times, const LayerTimes& layers, int threads,
                        double load_ms) {
  return "{\"whole\": {" + Figures(description, times, threads, load_ms) + "}, \"timed\": {" + Spread(layers.whole) +
         "}, \"calls\": " + List(layers.calls, CallText) + "}\n";
}

}  // namespace rdpass
