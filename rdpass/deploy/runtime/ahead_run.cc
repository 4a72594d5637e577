// The program of a bundle whose network is linked into it.
#include <algorithm>

#include "ahead_network.h"
#include "command_line.h"

namespace {

// The calling thread does all of it unless the command line asks for more.
std::unique_ptr<rdpass::Network> Load(rdpass::BundleFiles&, int threads) {
  return std::make_unique<rdpass::AheadNetwork>(std::max(threads, 1));
}

}  // namespace

int main(int argc, char** argv) { return rdpass::Main(argc, argv, rdpass::description(), Load); }
