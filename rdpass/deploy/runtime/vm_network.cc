#include "vm_network.h"

#include <tvm/ffi/container/array.h>
#include <tvm/ffi/container/tensor.h>

#include <cstring>
#include <iostream>
#include <stdexcept>
#include <utility>

#include "tensor.h"

namespace rdpass {
namespace {

namespace ffi = tvm::ffi;

// Relax's number for an allocator that keeps freed memory for the next call.
constexpr int kPooledAllocator = 2;

// What the names of the machine's own functions begin with, which allocate and free.
constexpr char kOwn[] = "vm.builtin.";

// Keeps std::cerr silent: while it loads, TVM 0.27 warns of every constant's memory scope, which is no fault.
class Silence {
 public:
  Silence() : buffer_(std::cerr.rdbuf(nullptr)) {}
  ~Silence() { std::cerr.rdbuf(buffer_); }

 private:
  std::streambuf* buffer_;
};

// Lends a tensor memory that the caller keeps.
struct Borrowed {
  void* data;
  void AllocData(DLTensor* tensor) { tensor->data = data; }
  void FreeData(DLTensor*) {}
};

ffi::Tensor Borrow(const TensorSpec& spec, const void* data) {
  return ffi::Tensor::FromNDAlloc(Borrowed{const_cast<void*>(data)},
                                  ffi::ShapeView(spec.shape.data(), spec.shape.size()),
                                  ffi::StringToDLDataType(spec.dtype), DLDevice{kDLCPU, 0});
}

// One tensor, or a tuple of them.
std::vector<ffi::Tensor> Tensors(const ffi::Any& result) {
  if (auto single = result.as<ffi::Tensor>()) return {*single};
  std::vector<ffi::Tensor> tensors;
  for (const ffi::Any& item : result.cast<ffi::Array<ffi::Any>>()) tensors.push_back(item.cast<ffi::Tensor>());
  return tensors;
}

// What TVM throws carries a trace of many lines.
template <typename Work>
auto InOneLine(Work work) {
  try {
    return work();
  } catch (const ffi::Error& error) {
    throw std::runtime_error(std::string(error.kind()) + ": " + std::string(error.message()));
  }
}

void Copy(const TensorSpec& spec, const ffi::Tensor& from, void* to) {
  const size_t bytes = ByteCount(spec);
  if (ffi::GetDataSize(from) != bytes) throw std::runtime_error("output '" + spec.name + "' has another size");
  std::memcpy(to, from.data_ptr(), bytes);
}

}  // namespace

VmNetwork::VmNetwork(const std::string& library, std::vector<TensorSpec> inputs, std::vector<TensorSpec> outputs)
    : inputs_(std::move(inputs)), outputs_(std::move(outputs)) {
  InOneLine([&] { Load(library); });
}

void VmNetwork::Run(const void* const* inputs, void* const* outputs) {
  InOneLine([&] { Call(inputs, outputs); });
}

const std::vector<CallTime>& VmNetwork::RunTimed(const void* const* inputs, void* const* outputs) {
  InOneLine([&] {
    if (!stopwatch_) SetTimers();
    begun_ = 0;
    stopwatch_.emplace();
    Call(inputs, outputs);
  });
  calls_.resize(begun_);
  return calls_;
}

// The machine calls what is set before and after each of its calls, with the function, its name, whether it is before,
// the result and the arguments. It can't be unset.
void VmNetwork::SetTimers() {
  machine_.value()->GetFunction("set_instrument").value()(
      ffi::Function::FromPacked([this](const ffi::AnyView* arguments, int32_t, ffi::Any* result) {
        const double now = stopwatch_->ms();
        *result = 0;  // go on
        const std::string name = arguments[1].cast<ffi::String>();
        if (name.compare(0, sizeof(kOwn) - 1, kOwn) != 0) Note(name, arguments[2].cast<bool>(), now);
      }));
}

// What is done here is no part of the call's time.
void VmNetwork::Note(const std::string& function, bool begins, double now) {
  if (begins) {
    if (begun_ == calls_.size()) calls_.push_back({});
    CallTime& call = calls_[begun_++];
    call.function = function;
    call.start_ms = stopwatch_->ms();
  } else {
    CallTime& call = calls_.at(begun_ - 1);
    call.ms = now - call.start_ms;
  }
}

void VmNetwork::Load(const std::string& library) {
  const Silence silence;
  // By the name of the loader: the path need not end with that of a library.
  library_ = ffi::Function::GetGlobalRequired("ffi.Module.load_from_file.so")(library, "so").cast<ffi::Module>();
  machine_ = library_.value()->GetFunction("vm_load_executable").value()().cast<ffi::Module>();
  machine_.value()->GetFunction("vm_initialization").value()(static_cast<int>(kDLCPU), 0, kPooledAllocator);
  main_ = machine_.value()->GetFunction("main").value();
}

void VmNetwork::Call(const void* const* inputs, void* const* outputs) {
  std::vector<ffi::Tensor> tensors;
  for (size_t i = 0; i < inputs_.size(); ++i) tensors.push_back(Borrow(inputs_[i], inputs[i]));
  std::vector<ffi::AnyView> arguments(tensors.begin(), tensors.end());
  ffi::Any result;
  main_.value().CallPacked(arguments.data(), static_cast<int32_t>(arguments.size()), &result);
  const std::vector<ffi::Tensor> results = Tensors(result);
  if (results.size() != outputs_.size()) throw std::runtime_error("the network gave another number of outputs");
  for (size_t i = 0; i < results.size(); ++i) Copy(outputs_[i], results[i], outputs[i]);
}

}  // namespace rdpass
