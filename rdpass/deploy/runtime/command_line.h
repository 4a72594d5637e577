// The command line of every bundle's runner, whatever computes its network.
#ifndef RDPASS_RUNTIME_COMMAND_LINE_H_
#define RDPASS_RUNTIME_COMMAND_LINE_H_

#include "network.h"

namespace rdpass {

// Runs the command line and returns the process's exit code: 0; 1 when the network fails; 2 for wrong arguments or
// files; 4 when the output is not the golden one; 8 when this CPU lacks a feature or the bundle is not as it was built,
// found before the network is loaded.
// Results go to stdout; a failure says why in one line on stderr.
int Main(int argc, char** argv, const Description& description, Loader load);

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_COMMAND_LINE_H_
