// Photographs as a network takes them: scaled and put in order.
#ifndef RDPASS_RUNTIME_IMAGE_H_
#define RDPASS_RUNTIME_IMAGE_H_

#include <cstdint>
#include <vector>

#include "network.h"
#include "tensor.h"

namespace rdpass {

// Of an image: larger ones are refused before memory for them is taken.
constexpr int kLongestSide = 65535;
constexpr int64_t kMostPixels = 100000000;

// Bytes of pixels, row by row, `channels` for each: red first, or grey alone.
struct Pixels {
  int width, height, channels;
  std::vector<uint8_t> bytes;
};

// Whether the network takes an image in bytes as its only input.
bool TakesImage(const Description& description);

// The input that an image becomes: its centre, scaled as Pillow scales (bilinear, antialiased).
Tensor InputOf(Pixels given, const Description& description);

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_IMAGE_H_
