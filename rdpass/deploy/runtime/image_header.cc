// JPEG (ITU-T T.81): segments, each FF and a marker and, but for a few, two bytes of length. Behind the header of a
// scan come entropy-coded bytes, in which FF is followed by 0 or a restart marker. The file ends with EOI: one without
// it is cut off, which the decoder would fill up with grey. Tables of codes that hold too many values are refused here,
// for stb_image 2.27 writes them down beyond their place.
//
// PNG (ISO/IEC 15948): chunks of length, type, data and CRC-32, from IHDR to IEND. The decoder looks at no checksum.
//
// EXIF (JEITA CP-3451): a TIFF structure, of whose first directory the tag 0x0112 is read, from a JPEG file's segment
// APP1 or a PNG file's chunk eXIf. A damaged one is let be.
#include "image_header.h"

#include <array>
#include <cstring>

#include "input_file.h"

namespace rdpass {
namespace {

constexpr uint8_t kPngMagic[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
constexpr int kUpright = 1, kMostOrientation = 8;
constexpr int kOrientationTag = 0x0112;

enum Marker { kSof0 = 0xc0, kDht = 0xc4, kJpg = 0xc8, kDac = 0xcc, kSof15 = 0xcf, kRst0 = 0xd0, kRst7 = 0xd7,
              kSoi = 0xd8, kEoi = 0xd9, kSos = 0xda, kApp1 = 0xe1 };

// A part of a file.
struct Bytes {
  const uint8_t* data;
  size_t size;
};

uint32_t BigEndian(const uint8_t* at, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; ++i) value = value << 8 | at[i];
  return value;
}

// Numbers of a TIFF structure, in the order that it says.
struct Tiff {
  Bytes bytes;
  bool little;

  bool Has(size_t at, size_t count) const { return at <= bytes.size && count <= bytes.size - at; }

  uint32_t Number(size_t at, int count) const {
    uint32_t value = 0;
    for (int i = 0; i < count; ++i) value = value << 8 | bytes.data[little ? at + count - 1 - i : at + i];
    return value;
  }
};

// 1 where the structure says nothing of it.
int Orientation(Bytes bytes) {
  if (bytes.size < 8) return kUpright;
  const bool little = std::memcmp(bytes.data, "II*\0", 4) == 0;
  if (!little && std::memcmp(bytes.data, "MM\0*", 4) != 0) return kUpright;
  const Tiff tiff{bytes, little};
  const size_t directory = tiff.Number(4, 4);
  if (!tiff.Has(directory, 2)) return kUpright;
  int found = kUpright;
  const size_t entries = tiff.Number(directory, 2);
  for (size_t i = 0, at = directory + 2; i < entries && tiff.Has(at, 12); ++i, at += 12) {
    const uint32_t type = tiff.Number(at + 2, 2);
    if (tiff.Number(at, 2) != kOrientationTag || (type != 3 && type != 4) || tiff.Number(at + 4, 4) != 1) continue;
    const uint32_t value = tiff.Number(at + 8, type == 3 ? 2 : 4);
    if (value >= 1 && value <= kMostOrientation) found = static_cast<int>(value);
  }
  return found;
}

// Whether tables of codes have as many values as they may have, and as they say: the decoder writes them all down.
bool AreTables(Bytes segment) {
  constexpr size_t kLengths = 16, kMostCodes = 256;
  for (size_t at = 0; at < segment.size;) {
    if (segment.size - at < 1 + kLengths) return false;
    size_t codes = 0;
    for (size_t i = 0; i < kLengths; ++i) codes += segment.data[at + 1 + i];
    at += 1 + kLengths;
    if (codes > kMostCodes || codes > segment.size - at) return false;
    at += codes;
  }
  return true;
}

bool IsFrame(int marker) {
  return marker >= kSof0 && marker <= kSof15 && marker != kDht && marker != kJpg && marker != kDac;
}

bool StandsAlone(int marker) { return (marker >= kRst0 && marker <= kSoi) || marker == 0x01; }

ImageHeader ReadJpegHeader(Bytes file, const std::string& path) {
  ImageHeader header{0, 0, kUpright};
  bool has_scan = false, has_exif = false;
  size_t at = 2;
  for (;;) {
    // The next marker: FF, fill bytes of FF, and a byte other than 0. Within a scan, entropy-coded bytes lie before it.
    if (!has_scan && at < file.size && file.data[at] != 0xff) RefuseInput(path, "its header is damaged");
    const uint8_t* next = nullptr;
    while (at < file.size && (next = static_cast<const uint8_t*>(std::memchr(file.data + at, 0xff, file.size - at)))) {
      at = static_cast<size_t>(next - file.data);
      while (at < file.size && file.data[at] == 0xff) ++at;
      if (at < file.size && file.data[at] != 0) break;
    }
    if (next == nullptr || at >= file.size) RefuseInput(path, "cut off: it does not end as a JPEG file does");
    const int marker = file.data[at++];
    if (marker == kEoi) break;
    if (StandsAlone(marker)) continue;
    const size_t length = file.size - at < 2 ? 0 : BigEndian(file.data + at, 2);
    if (length < 2 || length > file.size - at) RefuseInput(path, "cut off, or its header is damaged");
    const Bytes segment{file.data + at + 2, length - 2};
    at += length;
    if (IsFrame(marker)) {
      if (segment.size < 6 || header.width != 0) RefuseInput(path, "its header is damaged");
      header.height = static_cast<int>(BigEndian(segment.data + 1, 2));
      header.width = static_cast<int>(BigEndian(segment.data + 3, 2));
      const int components = segment.data[5];
      if (components != 1 && components != 3) RefuseInput(path, "a JPEG file of other than 1 or 3 components (CMYK)");
    }
    if (marker == kDht && !AreTables(segment)) RefuseInput(path, "damaged: a table of codes is none");
    if (marker == kApp1 && !has_exif && segment.size > 6 && std::memcmp(segment.data, "Exif\0\0", 6) == 0) {
      header.orientation = Orientation({segment.data + 6, segment.size - 6});
      has_exif = true;
    }
    if (marker == kSos) has_scan = true;
  }
  if (!has_scan || header.width == 0) RefuseInput(path, "holds no image");
  return header;
}

std::array<uint32_t, 256> CrcTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < table.size(); ++i) {
    table[i] = i;
    for (int bit = 0; bit < 8; ++bit) table[i] = table[i] & 1 ? 0xedb88320 ^ table[i] >> 1 : table[i] >> 1;
  }
  return table;
}

uint32_t Crc(Bytes bytes) {
  static const std::array<uint32_t, 256> kTable = CrcTable();
  uint32_t crc = 0xffffffff;
  for (size_t i = 0; i < bytes.size; ++i) crc = kTable[(crc ^ bytes.data[i]) & 0xff] ^ crc >> 8;
  return ~crc;
}

ImageHeader ReadPngHeader(Bytes file, const std::string& path) {
  ImageHeader header{0, 0, kUpright};
  bool has_data = false;
  for (size_t at = sizeof(kPngMagic);;) {
    const size_t left = file.size - at;
    const size_t length = left < 12 ? 0 : BigEndian(file.data + at, 4);
    if (left < 12 || length > left - 12) RefuseInput(path, "cut off: it does not end as a PNG file does");
    const uint8_t* const type = file.data + at + 4;
    const Bytes data{type + 4, length};
    if (Crc({type, length + 4}) != BigEndian(data.data + length, 4)) {
      RefuseInput(path, "damaged: a checksum does not fit");
    }
    at += length + 12;
    const auto is = [type](const char* name) { return std::memcmp(type, name, 4) == 0; };
    if (is("IHDR") != (header.width == 0)) RefuseInput(path, "its header is damaged");
    if (is("IHDR")) {
      const uint32_t width = length < 13 ? 0 : BigEndian(data.data, 4);
      const uint32_t height = length < 13 ? 0 : BigEndian(data.data + 4, 4);
      if (width == 0 || height == 0 || width > INT32_MAX || height > INT32_MAX) {
        RefuseInput(path, "its header is damaged");
      }
      header.width = static_cast<int>(width);
      header.height = static_cast<int>(height);
    }
    if (is("IDAT")) has_data = true;
    if (is("eXIf")) header.orientation = Orientation(data);
    if (is("IEND")) break;
  }
  if (!has_data) RefuseInput(path, "holds no image");
  return header;
}

}  // namespace

bool IsJpeg(const uint8_t* bytes, size_t size) {
  return size >= 3 && bytes[0] == 0xff && bytes[1] == kSoi && bytes[2] == 0xff;
}

bool IsPng(const uint8_t* bytes, size_t size) {
  return size >= sizeof(kPngMagic) && std::memcmp(bytes, kPngMagic, sizeof(kPngMagic)) == 0;
}

ImageHeader ReadImageHeader(const std::vector<uint8_t>& file, const std::string& path) {
  const Bytes bytes{file.data(), file.size()};
  return IsPng(bytes.data, bytes.size) ? ReadPngHeader(bytes, path) : ReadJpegHeader(bytes, path);
}

}  // namespace rdpass
