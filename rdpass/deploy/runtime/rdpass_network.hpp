// The network of a bundle in C++11: this header and rdpass_network.h are all that a program is compiled with.
//
//   rdpass::Network network("student.rdp");
//   std::vector<unsigned char> input = network.Prepare(pixels, 640, 480, 3);
//   std::vector<float> scores(network.outputs()[0].bytes / sizeof(float));
//   network.Run({input.data()}, {scores.data()});
//
// A bundle is loaded when the program runs, so a network can be replaced without compiling anything again, and several
// may be loaded. Link with -ldl. Whatever fails throws a rdpass::NetworkError.
#ifndef RDPASS_NETWORK_HPP_
#define RDPASS_NETWORK_HPP_

#include <dlfcn.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "rdpass_network.h"

namespace rdpass {

// `code` is one of rdpass_network.h's.
class NetworkError : public std::runtime_error {
 public:
  NetworkError(int code, const std::string& message) : std::runtime_error(message), code(code) {}
  const int code;
};

struct NetworkTensor {
  std::string name;
  std::string dtype;  // numpy's name: "float32"
  std::vector<int64_t> shape;
  size_t bytes;
};

class Network {
 public:
  // The bundle in `folder`, checked and ready to run; `threads` is 0 for what the runtime chooses.
  explicit Network(const std::string& folder, int threads = 0) {
    // Among all symbols of the process: the network looks there for functions of TVM, which come with the library.
    library_ = dlopen((folder + "/librdpass_network.so").c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (library_ == nullptr) throw NetworkError(RDPASS_NETWORK_NOT_AS_BUILT, dlerror());
    Find(&run_, "rdpass_network_run");
    Find(&error_, "rdpass_network_error");
    Find(&prepare_, "rdpass_network_prepare");
    decltype(&rdpass_network_open) open = nullptr;
    decltype(&rdpass_network_close) close = nullptr;
    Find(&open, "rdpass_network_open");
    Find(&close, "rdpass_network_close");
    rdpass_network* network = nullptr;
    Check(open(folder.c_str(), threads, &network));
    network_ = std::unique_ptr<rdpass_network, decltype(close)>(network, close);
    Describe();
  }

  // The library stays loaded: TVM's can't be unloaded.
  Network(Network&&) = default;
  Network& operator=(Network&&) = default;

  const std::vector<NetworkTensor>& inputs() const { return inputs_; }
  const std::vector<NetworkTensor>& outputs() const { return outputs_; }
  // Names of classes; empty where the bundle has none.
  const std::vector<std::string>& labels() const { return labels_; }
  // Whether Prepare makes the input of images.
  bool takes_image() const { return takes_image_; }

  // The only input, of an image of any size: see rdpass_network_prepare.
  std::vector<unsigned char> Prepare(const unsigned char* pixels, int width, int height, int channels) const {
    std::vector<unsigned char> input(inputs_.empty() ? 0 : inputs_[0].bytes);
    Check(prepare_(network_.get(), pixels, width, height, channels, input.data()));
    return input;
  }

  // One inference, on whole tensors in C order: a pointer to every one.
  void Run(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) {
    if (inputs.size() != inputs_.size() || outputs.size() != outputs_.size()) {
      throw NetworkError(RDPASS_NETWORK_BAD_ARGUMENT, "another number of inputs or outputs");
    }
    Check(run_(network_.get(), inputs.data(), outputs.data()));
  }

 private:
  template <typename Function>
  void Find(Function* function, const char* name) const {
    *function = reinterpret_cast<Function>(dlsym(library_, name));
    if (*function == nullptr) throw NetworkError(RDPASS_NETWORK_NOT_AS_BUILT, dlerror());
  }

  void Check(int code) const {
    if (code != RDPASS_NETWORK_OK) throw NetworkError(code, error_());
  }

  void Describe() {
    decltype(&rdpass_network_inputs) inputs = nullptr, outputs = nullptr, labels = nullptr, takes_image = nullptr;
    decltype(&rdpass_network_input) input = nullptr, output = nullptr;
    decltype(&rdpass_network_label) label = nullptr;
    Find(&inputs, "rdpass_network_inputs");
    Find(&outputs, "rdpass_network_outputs");
    Find(&labels, "rdpass_network_labels");
    Find(&takes_image, "rdpass_network_takes_image");
    Find(&input, "rdpass_network_input");
    Find(&output, "rdpass_network_output");
    Find(&label, "rdpass_network_label");
    const rdpass_network* network = network_.get();
    for (int i = 0; i < inputs(network); ++i) inputs_.push_back(Tensor(*input(network, i)));
    for (int i = 0; i < outputs(network); ++i) outputs_.push_back(Tensor(*output(network, i)));
    for (int i = 0; i < labels(network); ++i) labels_.push_back(label(network, i));
    takes_image_ = takes_image(network) != 0;
  }

  static NetworkTensor Tensor(const rdpass_network_tensor& from) {
    return {from.name, from.dtype, std::vector<int64_t>(from.shape, from.shape + from.rank), from.bytes};
  }

  void* library_;
  decltype(&rdpass_network_run) run_ = nullptr;
  decltype(&rdpass_network_error) error_ = nullptr;
  decltype(&rdpass_network_prepare) prepare_ = nullptr;
  std::unique_ptr<rdpass_network, decltype(&rdpass_network_close)> network_{nullptr, nullptr};
  std::vector<NetworkTensor> inputs_, outputs_;
  std::vector<std::string> labels_;
  bool takes_image_ = false;
};

}  // namespace rdpass

#endif  // RDPASS_NETWORK_HPP_
