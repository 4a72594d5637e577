// What the words of the command line ask for.
#ifndef RDPASS_RUNTIME_ARGUMENTS_H_
#define RDPASS_RUNTIME_ARGUMENTS_H_

#include <string>
#include <vector>

#include "network.h"

namespace rdpass {

enum class Mode { kRun, kClassify, kVerify, kBench, kProfile, kInfo, kHelp };

struct Arguments {
  Mode mode = Mode::kRun;
  int runs = 0;
  bool allow_nonfinite = false;
  bool force = false;  // replace outputs that are there
  int threads = 0;  // 0: as many as the runtime likes
  std::vector<std::string> files;
};

std::string Usage(const Description& description);

// Throws a Failure for words that make no sense; its message ends with how to use the program.
Arguments ParseArguments(int argc, char** argv, const Description& description);

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_ARGUMENTS_H_
