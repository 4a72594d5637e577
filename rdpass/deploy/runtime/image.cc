// 1. Grey becomes three equal channels or colours one grey, where the network has other channels than the file.
// 2. The largest centred rectangle of the input's proportions, its inner part if so said, is scaled: along each row,
//    then along each column. Weights are a triangle as wide as the step, in fixed point, and each pass rounds to bytes;
//    that is how Pillow computes, whose numbers these are to be.
// 3. Channels are put in the network's order and layout.
#include "image.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace rdpass {
namespace {

constexpr int kFractionBits = 22;  // of a weight

// Where of an axis an output lies: the first input that counts, and the weights from there on.
struct Weights {
  int first;
  std::vector<int32_t> of;
};

// A part of an axis, in single precision as Pillow has it.
struct Span {
  float start, end;
};

// Grey by the weights of ITU-R 601 in fixed point.
uint8_t Grey(const uint8_t* pixel) {
  return static_cast<uint8_t>((pixel[0] * 19595u + pixel[1] * 38470u + pixel[2] * 7471u + 0x8000u) >> 16);
}

Pixels WithChannels(Pixels image, int channels) {
  if (image.channels == channels) return image;
  Pixels other{image.width, image.height, channels, {}};
  const size_t count = image.bytes.size() / image.channels;
  other.bytes.resize(count * channels);
  for (size_t i = 0; i < count; ++i) {
    if (channels == 1) other.bytes[i] = Grey(&image.bytes[3 * i]);
    for (int c = 0; channels == 3 && c < 3; ++c) other.bytes[3 * i + c] = image.bytes[i];
  }
  return other;
}

std::vector<Weights> WeightsOf(int inputs, int outputs, Span span) {
  const double step = static_cast<double>(span.end - span.start) / outputs;
  const double reach = std::max(step, 1.0), slope = 1.0 / reach;
  std::vector<Weights> all;
  for (int i = 0; i < outputs; ++i) {
    const double centre = span.start + (i + 0.5) * step;
    const int first = std::max(0, static_cast<int>(centre - reach + 0.5));
    const int end = std::min(inputs, static_cast<int>(centre + reach + 0.5));
    std::vector<double> parts;
    double sum = 0;
    for (int x = first; x < end; ++x) {
      parts.push_back(std::max(0.0, 1.0 - std::fabs((x - centre + 0.5) * slope)));
      sum += parts.back();
    }
    Weights weights{first, {}};
    for (const double part : parts) {
      weights.of.push_back(static_cast<int32_t>(part / sum * (1 << kFractionBits) + 0.5));
    }
    all.push_back(weights);
  }
  return all;
}

uint8_t Rounded(int64_t sum) {
  const int64_t value = (sum + (1 << (kFractionBits - 1))) >> kFractionBits;
  return static_cast<uint8_t>(std::min<int64_t>(std::max<int64_t>(value, 0), 255));
}

// One output: inputs lie `stride` bytes apart.
uint8_t Sum(const uint8_t* first, size_t stride, const Weights& weights) {
  int64_t sum = 0;
  for (size_t k = 0; k < weights.of.size(); ++k) sum += static_cast<int64_t>(first[k * stride]) * weights.of[k];
  return Rounded(sum);
}

Pixels ScaledAcross(const Pixels& image, int width, Span span) {
  Pixels scaled{width, image.height, image.channels, {}};
  scaled.bytes.resize(static_cast<size_t>(width) * image.height * image.channels);
  const std::vector<Weights> all = WeightsOf(image.width, width, span);
  uint8_t* out = scaled.bytes.data();
  for (int y = 0; y < image.height; ++y) {
    const uint8_t* row = &image.bytes[static_cast<size_t>(y) * image.width * image.channels];
    for (const Weights& weights : all) {
      for (int c = 0; c < image.channels; ++c) {
        *out++ = Sum(row + static_cast<size_t>(weights.first) * image.channels + c, image.channels, weights);
      }
    }
  }
  return scaled;
}

Pixels ScaledDown(const Pixels& image, int height, Span span) {
  const size_t stride = static_cast<size_t>(image.width) * image.channels;
  Pixels scaled{image.width, height, image.channels, {}};
  scaled.bytes.resize(stride * height);
  uint8_t* out = scaled.bytes.data();
  for (const Weights& weights : WeightsOf(image.height, height, span)) {
    for (size_t i = 0; i < stride; ++i) *out++ = Sum(&image.bytes[weights.first * stride + i], stride, weights);
  }
  return scaled;
}

bool IsWhole(Span span, int extent, int wanted) {
  return span.start == 0.0f && span.end == static_cast<float>(extent) && extent == wanted;
}

Span Centre(int extent, double size) {
  const double start = (extent - size) / 2;
  return {static_cast<float>(start), static_cast<float>(start + size)};
}

Pixels Scaled(const Pixels& image, int width, int height, double crop) {
  const double scale =
      std::min(static_cast<double>(image.width) / width, static_cast<double>(image.height) / height) * crop;
  const double w = std::min(width * scale, static_cast<double>(image.width));
  const double h = std::min(height * scale, static_cast<double>(image.height));
  const Span across = Centre(image.width, w), down = Centre(image.height, h);
  const Pixels rows = IsWhole(across, image.width, width) ? image : ScaledAcross(image, width, across);
  return IsWhole(down, rows.height, height) ? rows : ScaledDown(rows, height, down);
}

}  // namespace

bool TakesImage(const Description& description) {
  return !description.image.layout.empty() && description.inputs.size() == 1 && description.inputs[0].shape.size() == 4 &&
         description.inputs[0].shape[0] == 1;
}

Tensor InputOf(Pixels given, const Description& description) {
  const TensorSpec& spec = description.inputs.at(0);
  const ImageInput& input = description.image;
  const bool interleaved = input.layout == "nhwc";
  const int channels = static_cast<int>(spec.shape[interleaved ? 3 : 1]);
  const int height = static_cast<int>(spec.shape[interleaved ? 1 : 2]);
  const int width = static_cast<int>(spec.shape[interleaved ? 2 : 3]);
  const Pixels image = Scaled(WithChannels(std::move(given), channels), width, height, input.crop);
  Tensor tensor(spec);
  uint8_t* const out = static_cast<uint8_t*>(tensor.data());
  const size_t pixels = static_cast<size_t>(width) * height;
  for (size_t i = 0; i < pixels; ++i) {
    for (int c = 0; c < channels; ++c) {
      const int from = input.blue_first ? channels - 1 - c : c;
      out[interleaved ? i * channels + c : c * pixels + i] = image.bytes[i * channels + from];
    }
  }
  return tensor;
}

}  // namespace rdpass
