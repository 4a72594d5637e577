// The program of a bundle whose network is model.so, with TVM's two libraries in lib/.
#include <cstdlib>

#include "command_line.h"
#include "vm_network.h"

namespace {

std::unique_ptr<rdpass::Network> Load(const std::string& folder, int threads) {
  // Read by TVM when it starts its threads, which is at the first parallel loop.
  if (threads > 0) setenv("TVM_NUM_THREADS", std::to_string(threads).c_str(), 1);
  const rdpass::Description& about = rdpass::description();
  return std::make_unique<rdpass::VmNetwork>(folder + "/model.so", about.inputs, about.outputs);
}

}  // namespace

int main(int argc, char** argv) { return rdpass::Main(argc, argv, rdpass::description(), Load); }
