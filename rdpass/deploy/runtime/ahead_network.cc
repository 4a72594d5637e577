#include "ahead_network.h"

#include <algorithm>
#include <stdexcept>

#include "stopwatch.h"

namespace rdpass {
namespace {

static_assert(kAlignment % RDPASS_MODEL_ALIGNMENT == 0, "tensors are aligned as an arena has to be");

int Launch(void* pool, void (*task)(void* data, int index), void* data, int) {
  static_cast<ThreadPool*>(pool)->Run(task, data);
  return 0;
}

void Check(int status) {
  if (status != RDPASS_MODEL_OK) throw std::runtime_error("the network failed with status " + std::to_string(status));
}

}  // namespace

AheadNetwork::AheadNetwork(int threads)
    : arena_(TensorSpec{"arena", "uint8", {static_cast<int64_t>(rdpass_model_arena_bytes())}}),
      pool_(threads),
      model_(rdpass_model_init(arena_.data(), arena_.bytes())) {
  const rdpass_model_launcher launcher = {pool_.threads(), Launch, &pool_};
  if (model_ == nullptr) throw std::runtime_error("the network refused its arena");
  if (threads > 1) rdpass_model_use_threads(model_, &launcher);
}

void AheadNetwork::Run(const void* const* inputs, void* const* outputs) {
  Check(rdpass_model_run(model_, inputs, outputs));
}

const std::vector<CallTime>& AheadNetwork::RunTimed(const void* const* inputs, void* const* outputs) {
  calls_.resize(RDPASS_MODEL_STEPS);
  const Stopwatch stopwatch;
  for (int step = 0; step < RDPASS_MODEL_STEPS; ++step) {
    CallTime& call = calls_[static_cast<size_t>(step)];
    call.start_ms = stopwatch.ms();
    const int status = rdpass_model_step(model_, step, inputs, outputs);
    call.ms = stopwatch.ms() - call.start_ms;
    Check(status);
  }
  return calls_;
}

// The calling thread does all of it unless more are asked for.
std::unique_ptr<Network> LoadNetwork(BundleFiles&, int threads) {
  return std::make_unique<AheadNetwork>(std::max(threads, 1));
}

}  // namespace rdpass
