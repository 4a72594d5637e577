// Time since it was made, of a clock that never goes back.
#ifndef RDPASS_RUNTIME_STOPWATCH_H_
#define RDPASS_RUNTIME_STOPWATCH_H_

#include <chrono>

namespace rdpass {

class Stopwatch {
 public:
  double ms() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_STOPWATCH_H_
