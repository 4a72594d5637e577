#include "image_file.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "file_status.h"
#include "image_decoder.h"
#include "image_header.h"
#include "input_file.h"

namespace rdpass {
namespace {

constexpr int64_t kLargestFile = 1 << 28;
constexpr size_t kMagic = 8;

bool IsSpace(int letter) { return letter == ' ' || (letter >= '\t' && letter <= '\r'); }

// The next number of the header, behind white space and comments; the one letter behind it is read too.
int ReadNumber(const InputFile& file, const std::string& path) {
  int letter = std::fgetc(file.get());
  while (IsSpace(letter) || letter == '#') {
    while (letter == '#' && letter != EOF) {
      do letter = std::fgetc(file.get());
      while (letter != '\n' && letter != EOF);
    }
    if (letter != EOF) letter = std::fgetc(file.get());
  }
  int number = 0, digits = 0;
  for (; letter >= '0' && letter <= '9'; letter = std::fgetc(file.get())) {
    number = number * 10 + (letter - '0');
    if (++digits > 5 || number > kLongestSide) {
      RefuseInput(path, "its sides are longer than 65535 pixels, or its header is damaged");
    }
  }
  if (digits == 0 || !IsSpace(letter)) RefuseInput(path, "its header is damaged");
  return number;
}

void CheckSize(int width, int height, const std::string& path) {
  if (width > kLongestSide || height > kLongestSide) RefuseInput(path, "its sides are longer than 65535 pixels");
  const int64_t pixels = static_cast<int64_t>(width) * height;
  if (pixels == 0 || pixels > kMostPixels) RefuseInput(path, "holds no pixel, or more than 100 million");
}

// How many bytes follow in the file: before memory for them is taken.
int64_t BytesLeft(const InputFile& file, const std::string& path) {
  const long here = std::ftell(file.get());
  if (here < 0 || std::fseek(file.get(), 0, SEEK_END) != 0) RefuseInput(path, "is no file");
  const long end = std::ftell(file.get());
  if (end < 0 || std::fseek(file.get(), here, SEEK_SET) != 0) RefuseInput(path, "is no file");
  return end - here;
}

// P5 (grey) or P6 (red, green, blue), sides, and 255 as the largest value.
Pixels ReadPnm(const InputFile& file, const std::string& path) {
  const int start = std::fgetc(file.get()), kind = std::fgetc(file.get());
  if (start != 'P' || (kind != '5' && kind != '6')) {
    RefuseInput(path, "not a JPEG or PNG image, nor a binary PPM or PGM one (P6, P5)");
  }
  Pixels image{};
  image.width = ReadNumber(file, path);
  image.height = ReadNumber(file, path);
  image.channels = kind == '6' ? 3 : 1;
  const int largest = ReadNumber(file, path);
  const int64_t pixels = static_cast<int64_t>(image.width) * image.height;
  CheckSize(image.width, image.height, path);
  if (largest != 255) RefuseInput(path, "its largest value is not 255: pixels are to be of 8 bits");
  const int64_t wanted = pixels * image.channels, held = BytesLeft(file, path);
  if (held < wanted) RefuseInput(path, "cut off: holds too little data");
  if (held > wanted) RefuseInput(path, "holds more data than its header says");
  image.bytes.resize(static_cast<size_t>(wanted));
  if (std::fread(image.bytes.data(), 1, image.bytes.size(), file.get()) != image.bytes.size()) {
    RefuseInput(path, "can't be read to its end");
  }
  return image;
}

// The image as it is to be seen: `orientation` says where the first row and column of the file belong.
Pixels Upright(Pixels image, int orientation) {
  if (orientation == 1) return image;
  const bool transposed = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const int channels = image.channels;
  Pixels turned{transposed ? image.height : image.width, transposed ? image.width : image.height, channels, {}};
  turned.bytes.resize(image.bytes.size());
  uint8_t* out = turned.bytes.data();
  for (int y = 0; y < turned.height; ++y) {
    for (int x = 0; x < turned.width; ++x, out += channels) {
      const int across = transposed ? y : x, down = transposed ? x : y;
      const int column = from_right ? image.width - 1 - across : across;
      const int row = from_below ? image.height - 1 - down : down;
      const size_t from = (static_cast<size_t>(row) * image.width + column) * channels;
      std::copy_n(&image.bytes[from], channels, out);
    }
  }
  return turned;
}

Pixels ReadCompressed(const InputFile& file, const std::string& path) {
  const int64_t size = BytesLeft(file, path);
  if (size > kLargestFile) RefuseInput(path, "is larger than 256 MB");
  std::vector<uint8_t> bytes(static_cast<size_t>(size));
  if (std::fread(bytes.data(), 1, bytes.size(), file.get()) != bytes.size()) {
    RefuseInput(path, "can't be read to its end");
  }
  const ImageHeader header = ReadImageHeader(bytes, path);
  CheckSize(header.width, header.height, path);
  return Upright(DecodeImage(bytes, header.width, header.height, path), header.orientation);
}

bool IsCompressed(const InputFile& file) {
  uint8_t start[kMagic] = {};
  const size_t got = std::fread(start, 1, sizeof(start), file.get());
  std::rewind(file.get());
  return IsJpeg(start, got) || IsPng(start, got);
}

}  // namespace

bool IsImage(const std::string& path) {
  struct stat found;
  if (!Status(path, 0, &found) || !S_ISREG(found.st_mode)) return false;
  const InputFile file = OpenInput(path);
  if (IsCompressed(file)) return true;
  if (std::fgetc(file.get()) != 'P') return false;
  const int kind = std::fgetc(file.get());
  return kind == '5' || kind == '6';
}

Pixels ReadImage(const std::string& path) {
  const InputFile file = OpenInput(path);
  return IsCompressed(file) ? ReadCompressed(file, path) : ReadPnm(file, path);
}

}  // namespace rdpass
