// What ends the runner: a message of one line and the exit code of its kind, as the rdpass command has them.
#ifndef RDPASS_RUNTIME_FAILURE_H_
#define RDPASS_RUNTIME_FAILURE_H_

#include <stdexcept>
#include <string>

namespace rdpass {

enum ExitCode { kDone = 0, kFailed = 1, kUsage = 2, kParity = 4, kNotAsBuilt = 8, kWrongCpu = 8 };

class Failure : public std::runtime_error {
 public:
  Failure(ExitCode code, const std::string& message) : std::runtime_error(message), code(code) {}
  const ExitCode code;
};

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_FAILURE_H_
