// What the runner's command line knows of a network, whatever computes it.
#ifndef RDPASS_RUNTIME_NETWORK_H_
#define RDPASS_RUNTIME_NETWORK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace rdpass {

// Tensors given to a network start at a multiple of this: its kernels may count on it.
constexpr size_t kAlignment = 64;

// An input or output: its name, numpy's name of its type ("float32"), and its extents.
struct TensorSpec {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
};

// The name of a file in the bundle, with slashes, and the SHA-256 of its bytes in hexadecimal.
struct FileDigest {
  std::string name;
  std::string sha256;
};

// How an image in bytes becomes the first input: "nhwc" or "nchw", empty where it takes none; which part of it counts.
struct ImageInput {
  std::string layout;
  bool blue_first;
  double crop;
};

// What is said of a network when it is built. Files lie in the bundle's folder; features are words of /proc/cpuinfo.
struct Description {
  std::string target;
  std::string architecture;
  std::vector<std::string> features;
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  std::vector<std::string> golden_inputs;
  std::vector<std::string> golden_outputs;
  double tolerance;  // of the golden outputs, relative
  int64_t activation_bytes;
  int64_t workspace_bytes;
  std::vector<FileDigest> files;  // all that were there when the program was linked
  ImageInput image;
  std::vector<std::string> labels;  // of the classes that the first output has scores of, or an index into
};

// Defined in a file that is generated when the bundle is built.
const Description& description();

// A call of a function of the network: its name, empty where it is not known, when it began after the inference did, and
// how long it took.
struct CallTime {
  std::string function;
  double start_ms;
  double ms;
};

class Network {
 public:
  virtual ~Network() = default;
  // One inference: pointers to whole tensors in C order, one for each input and output, aligned to kAlignment.
  // Throws a std::exception when it fails.
  virtual void Run(const void* const* inputs, void* const* outputs) = 0;
  // The same, with a timer around each call. From the first of these on, Run may be slower.
  virtual const std::vector<CallTime>& RunTimed(const void* const* inputs, void* const* outputs) = 0;
};

class BundleFiles;

// Makes the network ready to run. `threads` is 0 where the caller has not chosen.
using Loader = std::unique_ptr<Network> (*)(BundleFiles& files, int threads);

// The Loader of the bundle's kind, which defines it.
std::unique_ptr<Network> LoadNetwork(BundleFiles& files, int threads);

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_NETWORK_H_
