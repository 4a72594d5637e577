#include "npy.h"

#include <cstdint>
#include <cstdio>
#include <cstring>

#include "input_file.h"

namespace rdpass {
namespace {

constexpr char kMagic[] = "\x93NUMPY";
constexpr size_t kMagicSize = sizeof(kMagic) - 1;
constexpr uint32_t kLongestHeader = 65536;
constexpr size_t kShown = 200;

bool ReadExactly(const InputFile& file, void* place, size_t size) {
  return size == 0 || std::fread(place, 1, size, file.get()) == size;
}

// numpy's name of a type in a file, such as "<f4".
std::string Descr(const TensorSpec& spec) {
  const size_t size = ItemSize(spec);
  return (size == 1 ? "|" : "<") + spec.dtype.substr(0, 1) + std::to_string(size);
}

// The dictionary at the start of a file, as numpy writes it, without the padding.
std::string HeaderText(const TensorSpec& spec) {
  return "{'descr': '" + Descr(spec) + "', 'fortran_order': False, 'shape': " + ShapeText(spec) + ", }";
}

// The header's text; the file is left at the first byte of data.
std::string ReadHeader(const InputFile& file, const std::string& path) {
  unsigned char start[kMagicSize + 2] = {};
  if (!ReadExactly(file, start, sizeof(start)) || std::memcmp(start, kMagic, kMagicSize) != 0) {
    RefuseInput(path, "not an .npy file");
  }
  const int major = start[kMagicSize];
  if (major < 1 || major > 3) RefuseInput(path, "unknown .npy format " + std::to_string(major));
  unsigned char size[4] = {};
  if (!ReadExactly(file, size, major == 1 ? 2 : 4)) RefuseInput(path, "cut off within its header");
  uint32_t length = 0;
  for (int i = 3; i >= 0; --i) length = length << 8 | size[i];
  if (length > kLongestHeader) RefuseInput(path, "damaged .npy header");
  std::string text(length, '\0');
  if (!ReadExactly(file, &text[0], length)) RefuseInput(path, "cut off within its header");
  return text;
}

// numpy writes equal arrays' headers equally, so what is wanted can be compared as text.
void CheckHeader(std::string text, const TensorSpec& spec, const std::string& path) {
  text.erase(text.find_last_not_of(" \n") + 1);
  const std::string wanted = HeaderText(spec);
  if (text == wanted) return;
  for (char& letter : text) {
    if (letter < ' ' || letter > '~') letter = '?';
  }
  RefuseInput(path, "holds " + text.substr(0, kShown) + ", but '" + spec.name + "' is " + wanted);
}

}  // namespace

Tensor ReadNpy(const std::string& path, const TensorSpec& spec) {
  const InputFile file = OpenInput(path);
  CheckHeader(ReadHeader(file, path), spec, path);
  Tensor tensor(spec);
  if (!ReadExactly(file, tensor.data(), tensor.bytes())) RefuseInput(path, "cut off: holds too little data");
  if (std::fgetc(file.get()) != EOF) RefuseInput(path, "holds more data than its header says");
  return tensor;
}

void WriteNpy(NewFile& file, const TensorSpec& spec, const Tensor& tensor) {
  std::string header = HeaderText(spec);
  const size_t before = kMagicSize + 4;
  header.append(kAlignment - 1 - (before + header.size()) % kAlignment, ' ').push_back('\n');
  std::string start = kMagic;
  start += '\1';
  start += '\0';
  start += static_cast<char>(header.size() & 0xff);
  start += static_cast<char>(header.size() >> 8);
  start += header;
  file.Write(start.data(), start.size());
  file.Write(tensor.data(), tensor.bytes());
}

}  // namespace rdpass
