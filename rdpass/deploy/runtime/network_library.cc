// The functions of rdpass_network.h: the network of a bundle in a shared library, behind calls of C.
#include "rdpass_network.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <new>

#include "bundle_files.h"
#include "cpu_features.h"
#include "failure.h"
#include "image.h"
#include "report.h"
#include "tensor.h"

static_assert(static_cast<int>(RDPASS_NETWORK_BAD_ARGUMENT) == rdpass::kUsage, "codes are those of the program");
static_assert(static_cast<int>(RDPASS_NETWORK_NOT_AS_BUILT) == rdpass::kNotAsBuilt, "codes are those of the program");

namespace {

using rdpass::Failure;

thread_local char last_error[1024];

int Report(const char* message, int code) {
  std::snprintf(last_error, sizeof(last_error), "%s", rdpass::Printable(message).c_str());
  return code;
}

// No exception leaves this library.
template <typename Work>
int Guarded(Work work) {
  last_error[0] = '\0';
  try {
    work();
    return RDPASS_NETWORK_OK;
  } catch (const Failure& failure) {
    return Report(failure.what(), failure.code);
  } catch (const std::bad_alloc&) {
    return Report("out of memory", RDPASS_NETWORK_FAILED);
  } catch (const std::exception& error) {
    return Report(error.what(), RDPASS_NETWORK_FAILED);
  }
}

void Demand(bool condition, const char* otherwise) {
  if (!condition) throw Failure(rdpass::kUsage, otherwise);
}

std::vector<rdpass_network_tensor> Described(const std::vector<rdpass::TensorSpec>& specs) {
  std::vector<rdpass_network_tensor> tensors;
  for (const rdpass::TensorSpec& spec : specs) {
    tensors.push_back({spec.name.c_str(), spec.dtype.c_str(), static_cast<int32_t>(spec.shape.size()),
                       spec.shape.data(), rdpass::ByteCount(spec)});
  }
  return tensors;
}

template <typename Items>
auto At(const Items& items, int index) -> decltype(items.data()) {
  return index >= 0 && static_cast<size_t>(index) < items.size() ? &items[static_cast<size_t>(index)] : nullptr;
}

}  // namespace

// The files are held open as long as what was loaded of them.
struct rdpass_network {
  rdpass_network(const char* folder, int threads, const rdpass::Description& about)
      : files(folder, about.files),
        network(rdpass::LoadNetwork(files, threads)),
        inputs(Described(about.inputs)),
        outputs(Described(about.outputs)) {
    for (const rdpass::TensorSpec& spec : about.inputs) aligned.emplace_back(spec);
  }

  void Run(const void* const* given, void* const* written) {
    std::vector<const void*> places(given, given + inputs.size());
    for (size_t i = 0; i < places.size(); ++i) {
      if (reinterpret_cast<uintptr_t>(places[i]) % rdpass::kAlignment == 0) continue;
      std::memcpy(aligned[i].data(), places[i], inputs[i].bytes);
      places[i] = aligned[i].data();
    }
    network->Run(places.data(), written);
  }

  rdpass::BundleFiles files;
  std::unique_ptr<rdpass::Network> network;
  std::vector<rdpass_network_tensor> inputs, outputs;
  std::vector<rdpass::Tensor> aligned;
};

int rdpass_network_open(const char* folder, int threads, rdpass_network** network) {
  return Guarded([&] {
    Demand(folder != nullptr && network != nullptr, "a null pointer");
    Demand(threads >= 0 && threads <= 1024, "threads are 1 to 1024, or 0 for the runtime's own choice");
    *network = nullptr;
    CheckCpu(rdpass::description());
    *network = new rdpass_network(folder, threads, rdpass::description());
  });
}

void rdpass_network_close(rdpass_network* network) { delete network; }

int rdpass_network_inputs(const rdpass_network* network) { return static_cast<int>(network->inputs.size()); }

int rdpass_network_outputs(const rdpass_network* network) { return static_cast<int>(network->outputs.size()); }

int rdpass_network_labels(const rdpass_network*) { return static_cast<int>(rdpass::description().labels.size()); }

const rdpass_network_tensor* rdpass_network_input(const rdpass_network* network, int index) {
  return At(network->inputs, index);
}

const rdpass_network_tensor* rdpass_network_output(const rdpass_network* network, int index) {
  return At(network->outputs, index);
}

const char* rdpass_network_label(const rdpass_network*, int index) {
  const std::string* const label = At(rdpass::description().labels, index);
  return label == nullptr ? nullptr : label->c_str();
}

int rdpass_network_takes_image(const rdpass_network*) { return rdpass::TakesImage(rdpass::description()); }

int rdpass_network_prepare(const rdpass_network* network, const uint8_t* pixels, int width, int height, int channels,
                           void* input) {
  return Guarded([&] {
    Demand(network != nullptr && pixels != nullptr && input != nullptr, "a null pointer");
    Demand(rdpass::TakesImage(rdpass::description()),
           "the network takes no image: it was not compiled with --preprocess, or takes several at once");
    Demand(channels == 1 || channels == 3, "an image has 3 channels, or 1 of grey");
    Demand(width > 0 && height > 0 && width <= rdpass::kLongestSide && height <= rdpass::kLongestSide &&
               static_cast<int64_t>(width) * height <= rdpass::kMostPixels,
           "an image has a pixel or more, at most 65535 on a side and 100 million in all");
    const size_t bytes = static_cast<size_t>(width) * height * channels;
    const rdpass::Tensor made =
        rdpass::InputOf({width, height, channels, std::vector<uint8_t>(pixels, pixels + bytes)}, rdpass::description());
    std::memcpy(input, made.data(), made.bytes());
  });
}

int rdpass_network_run(rdpass_network* network, const void* const inputs[], void* const outputs[]) {
  return Guarded([&] {
    Demand(network != nullptr && inputs != nullptr && outputs != nullptr, "a null pointer");
    const auto is_null = [](const void* place) { return place == nullptr; };
    Demand(std::none_of(inputs, inputs + network->inputs.size(), is_null), "an input is a null pointer");
    Demand(std::none_of(outputs, outputs + network->outputs.size(), is_null), "an output is a null pointer");
    network->Run(inputs, outputs);
  });
}

const char* rdpass_network_error(void) { return last_error; }
