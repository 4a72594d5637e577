// A network that was compiled ahead of time to C (rdpass_model.h), in an arena of its own.
#ifndef RDPASS_RUNTIME_AHEAD_NETWORK_H_
#define RDPASS_RUNTIME_AHEAD_NETWORK_H_

#include <rdpass_model.h>

#include "network.h"
#include "tensor.h"
#include "thread_pool.h"

namespace rdpass {

class AheadNetwork : public Network {
 public:
  // All memory and threads that it ever takes, it takes here. `threads` is 1 or more.
  explicit AheadNetwork(int threads);
  void Run(const void* const* inputs, void* const* outputs) override;
  const std::vector<CallTime>& RunTimed(const void* const* inputs, void* const* outputs) override;

 private:
  Tensor arena_;
  ThreadPool pool_;
  rdpass_model* model_;
  std::vector<CallTime> calls_;
};

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_AHEAD_NETWORK_H_
