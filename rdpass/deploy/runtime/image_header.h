// What the header of a JPEG or PNG file says, and that the file is whole, before anything of it is decoded.
#ifndef RDPASS_RUNTIME_IMAGE_HEADER_H_
#define RDPASS_RUNTIME_IMAGE_HEADER_H_

#include <cstdint>
#include <string>
#include <vector>

namespace rdpass {

struct ImageHeader {
  int width, height;  // as stored
  int orientation;    // 1 to 8, as EXIF counts them; 1 is upright
};

// Whether the bytes begin as a file of that format.
bool IsJpeg(const uint8_t* bytes, size_t size);
bool IsPng(const uint8_t* bytes, size_t size);

// Throws a Failure that names the file where it is damaged, cut off, or of a kind that is not read: a JPEG file with
// four components (CMYK).
ImageHeader ReadImageHeader(const std::vector<uint8_t>& file, const std::string& path);

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_IMAGE_HEADER_H_
