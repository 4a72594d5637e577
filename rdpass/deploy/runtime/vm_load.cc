// A bundle's network of TVM's kind: its libraries are checked before it is loaded.
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "bundle_files.h"
#include "failure.h"
#include "vm_network.h"

namespace rdpass {
namespace {

// TVM reads the number when it starts its threads, which is at the first parallel loop of a process. Another bundle's
// library may have chosen it here; what a parent process chose does not count.
void ChooseThreads(int threads) {
  if (threads == 0) return;
  constexpr const char* kChoice = "RDPASS_TVM_THREADS";
  const std::string process = std::to_string(getpid()) + ":", choice = process + std::to_string(threads);
  const char* const found = getenv(kChoice);
  const std::string earlier = found == nullptr ? "" : found;
  if (earlier.compare(0, process.size(), process) == 0 && earlier != choice) {
    throw Failure(kUsage, "TVM has " + earlier.substr(process.size()) + " threads in this process already");
  }
  setenv(kChoice, choice.c_str(), 1);
  setenv("TVM_NUM_THREADS", std::to_string(threads).c_str(), 1);
}

}  // namespace

// The system has loaded TVM's libraries by now; the network is loaded only if they are those of the build.
std::unique_ptr<Network> LoadNetwork(BundleFiles& files, int threads) {
  for (const std::string& name : files.Below("lib/")) files.Checked(name);
  ChooseThreads(threads);
  const Description& about = description();
  return std::make_unique<VmNetwork>(files.Checked("model.so"), about.inputs, about.outputs);
}

}  // namespace rdpass
