// Runs the network of the bundle that this program lies in:  run INPUT.npy... OUTPUT.npy...
//
// It needs the bundle alone: model.so, the two runtime libraries in lib/, and manifest.json for the inputs' and outputs'
// names, shapes and types. Exit code 0, or 2 for wrong arguments or files, or 1 when the network itself fails; then
// stderr says why in one line.
#include <tvm/ffi/container/array.h>
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/extra/json.h>
#include <tvm/ffi/extra/module.h>
#include <tvm/ffi/function.h>

#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "npy.h"

namespace {

namespace ffi = tvm::ffi;
namespace json = tvm::ffi::json;
using rdpass::Spec;

// Relax's number for an allocator that keeps freed memory for the next call.
constexpr int kPooledAllocator = 2;

std::vector<Spec> ReadSpecs(const json::Object& manifest, const char* key) {
  std::vector<Spec> specs;
  for (const ffi::Any& item : manifest[ffi::String(key)].cast<json::Array>()) {
    const auto entry = item.cast<json::Object>();
    Spec spec;
    spec.name = entry[ffi::String("name")].cast<ffi::String>();
    spec.dtype = ffi::StringToDLDataType(entry[ffi::String("dtype")].cast<ffi::String>());
    for (const ffi::Any& extent : entry[ffi::String("shape")].cast<json::Array>()) {
      spec.shape.push_back(extent.cast<int64_t>());
    }
    specs.push_back(spec);
  }
  return specs;
}

json::Object ReadManifest(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) rdpass::Refuse(path.string(), "can't be read");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return json::Parse(text).cast<json::Object>();
}

// Keeps std::cerr silent: while it loads, TVM 0.27 warns of every constant's memory scope, which is no fault.
class Silence {
 public:
  Silence() : buffer_(std::cerr.rdbuf(nullptr)) {}
  ~Silence() { std::cerr.rdbuf(buffer_); }

 private:
  std::streambuf* buffer_;
};

// A Relax virtual machine on the CPU. Its modules must outlive the functions taken from it.
ffi::Module LoadMachine(const std::filesystem::path& path) {
  const Silence silence;
  ffi::Module library = ffi::Module::LoadFromFile(path.string());
  auto machine = library->GetFunction("vm_load_executable").value()().cast<ffi::Module>();
  machine->GetFunction("vm_initialization").value()(static_cast<int>(kDLCPU), 0, kPooledAllocator);
  return machine;
}

// One tensor, or a tuple of them.
std::vector<ffi::Tensor> Outputs(const ffi::Any& result) {
  if (auto single = result.as<ffi::Tensor>()) return {*single};
  std::vector<ffi::Tensor> tensors;
  for (const ffi::Any& item : result.cast<ffi::Array<ffi::Any>>()) tensors.push_back(item.cast<ffi::Tensor>());
  return tensors;
}

std::vector<ffi::Tensor> Call(const ffi::Module& machine, const std::vector<ffi::Tensor>& inputs) {
  std::vector<ffi::AnyView> arguments(inputs.begin(), inputs.end());
  ffi::Any result;
  machine->GetFunction("main").value().CallPacked(arguments.data(), static_cast<int32_t>(arguments.size()), &result);
  return Outputs(result);
}

int Run(const std::vector<std::string>& paths) {
  const std::filesystem::path bundle = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const json::Object manifest = ReadManifest(bundle / "manifest.json");
  const std::vector<Spec> inputs = ReadSpecs(manifest, "inputs");
  const std::vector<Spec> outputs = ReadSpecs(manifest, "outputs");
  if (paths.size() != inputs.size() + outputs.size()) {
    throw std::runtime_error("usage: run INPUT.npy... OUTPUT.npy... with " + std::to_string(inputs.size()) +
                             " inputs and " + std::to_string(outputs.size()) + " outputs");
  }
  std::vector<ffi::Tensor> tensors;
  for (size_t i = 0; i < inputs.size(); ++i) tensors.push_back(rdpass::ReadNpy(paths[i], inputs[i]));
  const ffi::Module machine = LoadMachine(bundle / "model.so");
  const std::vector<ffi::Tensor> results = Call(machine, tensors);
  for (size_t i = 0; i < results.size(); ++i) rdpass::WriteNpy(paths.at(inputs.size() + i), results[i]);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const ffi::Error& error) {
    std::cerr << "run: " << error.kind() << ": " << error.message() << std::endl;
    return 1;
  } catch (const std::exception& error) {
    std::cerr << "run: " << error.what() << std::endl;
    return 2;
  }
}
