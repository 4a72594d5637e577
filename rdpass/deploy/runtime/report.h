// What the runner says of a network and of its speed, as one JSON object.
#ifndef RDPASS_RUNTIME_REPORT_H_
#define RDPASS_RUNTIME_REPORT_H_

#include <string>

#include "bench.h"
#include "network.h"
#include "tensor.h"

namespace rdpass {

// One line of text that no terminal takes for a command: control letters as question marks, shortened where it is long.
std::string Printable(const std::string& text);

std::string InfoText(const Description& description);

// The five likeliest classes in the first output, one a line with its score; or the class whose index it is.
// Throws a Failure where it holds neither.
std::string ClassesText(const Description& description, const Tensor& output);

// `threads` is 0 where the runtime chose, `load_ms` how long it took to make the network ready.
std::string BenchText(const Description& description, const Times& times, int threads, double load_ms);

// Whole inferences without timers, then with them, then each call.
std::string ProfileText(const Description& description, const Times& times, const LayerTimes& layers, int threads,
                        double load_ms);

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_REPORT_H_
