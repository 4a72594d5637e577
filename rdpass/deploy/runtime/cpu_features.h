// Which of a network's CPU features this machine lacks, in the words of Linux's /proc/cpuinfo.
#ifndef RDPASS_RUNTIME_CPU_FEATURES_H_
#define RDPASS_RUNTIME_CPU_FEATURES_H_

#include <string>
#include <vector>

#include "network.h"

namespace rdpass {

// Those of `features` that the system does not report. One that it could not report under that name counts as there:
// where nothing is known, nothing is refused.
std::vector<std::string> MissingFeatures(const std::vector<std::string>& features);

// Throws a Failure that names the features of the network that this CPU lacks.
void CheckCpu(const Description& description);

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_CPU_FEATURES_H_
