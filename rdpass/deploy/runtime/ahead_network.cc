#include "ahead_network.h"

#include <algorithm>
#include <stdexcept>

namespace rdpass {
namespace {

static_assert(kAlignment % RDPASS_MODEL_ALIGNMENT == 0, "tensors are aligned as an arena has to be");

int Launch(void* pool, void (*task)(void* data, int index), void* data, int) {
  static_cast<ThreadPool*>(pool)->Run(task, data);
  return 0;
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
  const int status = rdpass_model_run(model_, inputs, outputs);
  if (status != RDPASS_MODEL_OK) throw std::runtime_error("the network failed with status " + std::to_string(status));
}

// The calling thread does all of it unless more are asked for.
std::unique_ptr<Network> LoadNetwork(BundleFiles&, int threads) {
  return std::make_unique<AheadNetwork>(std::max(threads, 1));
}

}  // namespace rdpass
