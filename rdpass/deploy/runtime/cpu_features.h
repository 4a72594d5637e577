// Which of a network's CPU features this machine lacks, in the words of Linux's /proc/cpuinfo.
#ifndef RDPASS_RUNTIME_CPU_FEATURES_H_
#define RDPASS_RUNTIME_CPU_FEATURES_H_

#include <string>
#include <vector>

namespace rdpass {

// Those of `features` that the system does not report. One that it could not report under that name counts as there:
// where nothing is known, nothing is refused.
std::vector<std::string> MissingFeatures(const std::vector<std::string>& features);

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_CPU_FEATURES_H_
