// Photographs as a network takes them: binary PPM and PGM files, read, scaled and put in order.
//
// Nothing is allocated before a header has been checked, and nothing larger than its image.
#ifndef RDPASS_RUNTIME_IMAGE_H_
#define RDPASS_RUNTIME_IMAGE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "network.h"
#include "tensor.h"

namespace rdpass {

// Bytes of pixels, row by row, `channels` for each: red first, or grey alone.
struct Pixels {
  int width, height, channels;
  std::vector<uint8_t> bytes;
};

// Whether the network takes an image in bytes as its only input.
bool TakesImage(const Description& description);

// Whether the file begins as such an image does. Nothing is taken from a pipe: who reads it next gets all of it.
bool IsImage(const std::string& path);

// The input that an image becomes: its centre, scaled as Pillow scales (bilinear, antialiased).
Tensor InputOf(Pixels given, const Description& description);

// The input that the image in the file becomes. Throws a Failure that names the file where it is damaged, or too large.
Tensor ReadImage(const std::string& path, const Description& description);

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_IMAGE_H_
