// stb_image (RDPASS_STB), or nothing in its place.
#include "image_decoder.h"

#include "input_file.h"

#ifdef RDPASS_STB

#include <cstdlib>
#include <cstring>
#include <memory>

// Its memory has a limit: a PNG file may inflate to a thousand times its size, whatever its header says.
namespace {

constexpr size_t kHeld = alignof(std::max_align_t);  // before each block, its size
thread_local size_t allowed = 0;

void* Allocate(size_t size) {
  if (size > allowed) return nullptr;
  char* const block = static_cast<char*>(std::malloc(size + kHeld));
  if (block == nullptr) return nullptr;
  allowed -= size;
  std::memcpy(block, &size, sizeof(size));
  return block + kHeld;
}

size_t SizeOf(void* data) {
  size_t size = 0;
  std::memcpy(&size, static_cast<char*>(data) - kHeld, sizeof(size));
  return size;
}

void Release(void* data) {
  if (data == nullptr) return;
  allowed += SizeOf(data);
  std::free(static_cast<char*>(data) - kHeld);
}

void* Reallocate(void* data, size_t size) {
  void* const moved = Allocate(size);
  if (moved == nullptr || data == nullptr) return moved;
  const size_t before = SizeOf(data);
  std::memcpy(moved, data, before < size ? before : size);
  Release(data);
  return moved;
}

}  // namespace

#define STBI_MALLOC(size) Allocate(size)
#define STBI_REALLOC(data, size) Reallocate(data, size)
#define STBI_FREE(data) Release(data)
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_HDR
#define STBI_MAX_DIMENSIONS 65535
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb_image.h>

namespace rdpass {
namespace {

// Of 16 bits and four channels: as they come out of the file, with filters, and twice while that grows.
constexpr size_t kBytesPerPixel = 32;
constexpr size_t kFixed = 4 << 20;

struct Free {
  void operator()(stbi_uc* data) const { stbi_image_free(data); }
};

}  // namespace

Pixels DecodeImage(const std::vector<uint8_t>& file, int width, int height, const std::string& path) {
  allowed = kFixed + file.size() + static_cast<size_t>(width) * static_cast<size_t>(height) * kBytesPerPixel;
  int w = 0, h = 0, stored = 0;
  const std::unique_ptr<stbi_uc, Free> decoded(
      stbi_load_from_memory(file.data(), static_cast<int>(file.size()), &w, &h, &stored, 0));
  if (!decoded) RefuseInput(path, std::string("can't be decoded: ") + stbi_failure_reason());
  if (w != width || h != height || stored < 1 || stored > 4) RefuseInput(path, "its header is damaged");
  // Two are grey and alpha, four colours and alpha.
  const int channels = stored < 3 ? 1 : 3;
  Pixels image{width, height, channels, {}};
  const size_t pixels = static_cast<size_t>(width) * static_cast<size_t>(height);
  image.bytes.resize(pixels * channels);
  for (size_t i = 0; i < pixels; ++i) {
    for (int c = 0; c < channels; ++c) image.bytes[i * channels + c] = decoded.get()[i * stored + c];
  }
  return image;
}

}  // namespace rdpass

#else

namespace rdpass {

Pixels DecodeImage(const std::vector<uint8_t>&, int, int, const std::string& path) {
  RefuseInput(path, "this bundle was built without a reader of JPEG and PNG: convert the file to PPM (djpeg, "
                    "pngtopnm), or compile again where there is stb_image (apt install libstb-dev)");
}

}  // namespace rdpass

#endif
