// Runs model.so twice on ./input_0.npy, ./input_1.npy, ... and marks the second call for counting.c.
//
//   driver          ("tensors" holds a line for each tensor: input or output, its type and extents)
//
// What the second call gave goes to ./output_0.npy, ...; both calls have to give the same bits. stdout: "base ADDRESS",
// where model.so lies.
#include <link.h>
#include <sys/resource.h>

#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "new_file.h"
#include "npy.h"
#include "vm_network.h"

namespace {

constexpr int kStart = 0x52440001, kStop = 0x52440002;

std::vector<rdpass::TensorSpec> ReadSpecs(const std::string& kind) {
  std::vector<rdpass::TensorSpec> specs;
  std::ifstream file("tensors");
  for (std::string line, word; std::getline(file, line);) {
    std::istringstream words(line);
    words >> word;
    if (word != kind) continue;
    rdpass::TensorSpec spec;
    spec.name = kind + "_" + std::to_string(specs.size());
    words >> spec.dtype;
    for (int64_t extent; words >> extent;) spec.shape.push_back(extent);
    specs.push_back(spec);
  }
  return specs;
}

int PrintBase(dl_phdr_info* info, size_t, void*) {
  const std::string name = info->dlpi_name;
  if (name.size() >= 8 && name.substr(name.size() - 8) == "model.so") std::cout << "base " << info->dlpi_addr << "\n";
  return 0;
}

std::vector<std::string> Bytes(const std::vector<rdpass::Tensor>& tensors) {
  std::vector<std::string> bytes;
  for (const rdpass::Tensor& tensor : tensors) {
    bytes.emplace_back(static_cast<const char*>(tensor.data()), tensor.bytes());
  }
  return bytes;
}

void Run() {
  const std::vector<rdpass::TensorSpec> specs = ReadSpecs("input"), results = ReadSpecs("output");
  std::vector<rdpass::Tensor> inputs, outputs;
  std::vector<const void*> given;
  std::vector<void*> places;
  for (const rdpass::TensorSpec& spec : specs) inputs.push_back(rdpass::ReadNpy(spec.name + ".npy", spec));
  for (const rdpass::TensorSpec& spec : results) outputs.emplace_back(spec);
  for (const rdpass::Tensor& tensor : inputs) given.push_back(tensor.data());
  for (rdpass::Tensor& tensor : outputs) places.push_back(tensor.data());
  rdpass::VmNetwork network("./model.so", specs, results);
  network.Run(given.data(), places.data());
  const std::vector<std::string> first = Bytes(outputs);
  getpriority(static_cast<__priority_which_t>(kStart), 0);
  network.Run(given.data(), places.data());
  getpriority(static_cast<__priority_which_t>(kStop), 0);
  if (Bytes(outputs) != first) throw std::runtime_error("two calls gave different outputs");
  for (size_t i = 0; i < outputs.size(); ++i) {
    rdpass::NewFile file(results[i].name + ".npy", /*force=*/true);  // an earlier run's may lie there
    rdpass::WriteNpy(file, results[i], outputs[i]);
    file.Keep();
  }
  dl_iterate_phdr(PrintBase, nullptr);
}

}  // namespace

int main() {
  try {
    Run();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
    return 1;
  }
}
