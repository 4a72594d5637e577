// A network as Relax's virtual machine runs it: a shared library, and TVM's runtime, which has to be linked in.
#ifndef RDPASS_RUNTIME_VM_NETWORK_H_
#define RDPASS_RUNTIME_VM_NETWORK_H_

#include <tvm/ffi/extra/module.h>
#include <tvm/ffi/function.h>
#include <tvm/ffi/optional.h>

#include <optional>
#include <string>
#include <vector>

#include "network.h"
#include "stopwatch.h"

namespace rdpass {

class VmNetwork : public Network {
 public:
  // Throws a std::runtime_error where the library can't be loaded, as Run does where the network fails.
  VmNetwork(const std::string& library, std::vector<TensorSpec> inputs, std::vector<TensorSpec> outputs);
  void Run(const void* const* inputs, void* const* outputs) override;
  const std::vector<CallTime>& RunTimed(const void* const* inputs, void* const* outputs) override;

 private:
  void Load(const std::string& library);
  void SetTimers();
  void Note(const std::string& function, bool begins, double now);
  void Call(const void* const* inputs, void* const* outputs);

  std::vector<TensorSpec> inputs_, outputs_;
  // Of the inference under way, once timers are set.
  std::optional<Stopwatch> stopwatch_;
  std::vector<CallTime> calls_;
  size_t begun_ = 0;
  // In this order: a module must outlive the functions taken from it.
  tvm::ffi::Optional<tvm::ffi::Module> library_, machine_;
  tvm::ffi::Optional<tvm::ffi::Function> main_;
};

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_VM_NETWORK_H_
