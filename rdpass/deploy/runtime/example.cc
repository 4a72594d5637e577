// Reads the inputs' bytes from stdin, one tensor after the other, runs the network of a bundle, writes the outputs' to
// stdout.
//
//   c++ -std=c++11 -O2 example.cc -ldl -o example
//   ./example FOLDER < inputs.raw > outputs.raw
#include <cstdio>

#include "rdpass_network.hpp"

namespace {

int Run(rdpass::Network& network) {
  std::vector<std::vector<unsigned char>> inputs, outputs;
  std::vector<const void*> given;
  std::vector<void*> written;
  for (const rdpass::NetworkTensor& tensor : network.inputs()) {
    inputs.emplace_back(tensor.bytes);
    if (std::fread(inputs.back().data(), 1, tensor.bytes, stdin) != tensor.bytes) {
      std::fprintf(stderr, "%s: too few bytes\n", tensor.name.c_str());
      return 2;
    }
    given.push_back(inputs.back().data());
  }
  for (const rdpass::NetworkTensor& tensor : network.outputs()) {
    outputs.emplace_back(tensor.bytes);
    written.push_back(outputs.back().data());
  }
  network.Run(given, written);
  for (const std::vector<unsigned char>& bytes : outputs) std::fwrite(bytes.data(), 1, bytes.size(), stdout);
  return std::fflush(stdout) != 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("usage: example FOLDER < inputs.raw > outputs.raw\n", stderr), 2;
  try {
    rdpass::Network network(argv[1]);
    return Run(network);
  } catch (const rdpass::NetworkError& error) {
    return std::fprintf(stderr, "%s\n", error.what()), error.code;
  }
}
