// JPEG and PNG files decoded, where the builder of the bundle had stb_image.
#ifndef RDPASS_RUNTIME_IMAGE_DECODER_H_
#define RDPASS_RUNTIME_IMAGE_DECODER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "image.h"

namespace rdpass {

// The pixels in the bytes of a JPEG or PNG file whose header says that there are `width` x `height` of them, not
// turned. Pixels of 16 bits keep their upper eight; what a transparent pixel hides is shown.
// Throws a Failure that names the file where it can't be decoded, or the program was built without stb_image.
Pixels DecodeImage(const std::vector<uint8_t>& file, int width, int height, const std::string& path);

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_IMAGE_DECODER_H_
