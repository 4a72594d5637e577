// The program of a bundle whose network is model.so, with TVM's two libraries in lib/.
#include <cstdlib>

#include "bundle_files.h"
#include "command_line.h"
#include "vm_network.h"

namespace {

// The system has loaded TVM's libraries by now; the network is loaded only if they are those of the build.
std::unique_ptr<rdpass::Network> Load(rdpass::BundleFiles& files, int threads) {
  for (const std::string& name : files.Below("lib/")) files.Checked(name);
  // Read by TVM when it starts its threads, which is at the first parallel loop.
  if (threads > 0) setenv("TVM_NUM_THREADS", std::to_string(threads).c_str(), 1);
  const rdpass::Description& about = rdpass::description();
  return std::make_unique<rdpass::VmNetwork>(files.Checked("model.so"), about.inputs, about.outputs);
}

}  // namespace

// Ends without joining TVM's threads: an idle one gives its turn away 300 000 times before it sees that it is to stop,
// which took minutes on a machine with much else to do. By now everything is written and flushed.
int main(int argc, char** argv) { std::_Exit(rdpass::Main(argc, argv, rdpass::description(), Load)); }
