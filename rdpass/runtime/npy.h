// Reads and writes .npy files as numpy.save writes them: little-endian, C order, format 1.0 to 3.0.
//
// A file is accepted only if it is exactly the tensor that is wanted. Whatever else it holds, it is refused with a
// std::runtime_error that names it, before anything of its size is allocated.
#ifndef RDPASS_RUNTIME_NPY_H_
#define RDPASS_RUNTIME_NPY_H_

#include <tvm/ffi/container/tensor.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace rdpass {

namespace ffi = tvm::ffi;

struct Spec {
  std::string name;
  std::vector<int64_t> shape;
  DLDataType dtype;
};

// TVM's kernels may assume that tensors start at a multiple of this.
constexpr size_t kAlignment = 64;
constexpr char kMagic[] = "\x93NUMPY";
constexpr size_t kMagicSize = sizeof(kMagic) - 1;

struct AlignedAllocator {
  void AllocData(DLTensor* tensor) {
    if (posix_memalign(&tensor->data, kAlignment, ffi::GetDataSize(*tensor) + 1) != 0) throw std::bad_alloc();
  }
  void FreeData(DLTensor* tensor) { std::free(tensor->data); }
};

[[noreturn]] inline void Refuse(const std::string& path, const std::string& reason) {
  throw std::runtime_error(path + ": " + reason);
}

// numpy's name of a type, such as "<f4".
inline std::string Descr(DLDataType dtype) {
  const char kind = dtype.code == kDLFloat ? 'f' : dtype.code == kDLInt ? 'i' : dtype.code == kDLBool ? 'b' : 'u';
  return (dtype.bits == 8 ? "|" : "<") + std::string(1, kind) + std::to_string(dtype.bits / 8);
}

// A shape as Python prints a tuple: "()", "(3,)", "(1, 3)".
template <typename Shape>
std::string TupleText(const Shape& shape) {
  std::string text;
  for (int64_t extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "(" + text + (shape.size() == 1 ? ",)" : ")");
}

// The dictionary at the start of a file, as numpy writes it, without the padding.
template <typename Shape>
std::string HeaderText(DLDataType dtype, const Shape& shape) {
  return "{'descr': '" + Descr(dtype) + "', 'fortran_order': False, 'shape': " + TupleText(shape) + ", }";
}

// The header's text; the file is left at the first byte of data.
inline std::string ReadHeader(std::ifstream& file, const std::string& path) {
  unsigned char start[kMagicSize + 2] = {};
  if (!file.read(reinterpret_cast<char*>(start), sizeof(start)) || std::memcmp(start, kMagic, kMagicSize) != 0) {
    Refuse(path, "not an .npy file");
  }
  const int major = start[kMagicSize];
  if (major < 1 || major > 3) Refuse(path, "unknown .npy format " + std::to_string(major));
  unsigned char size[4] = {};
  file.read(reinterpret_cast<char*>(size), major == 1 ? 2 : 4);
  const uint32_t length = size[0] | size[1] << 8 | size[2] << 16 | static_cast<uint32_t>(size[3]) << 24;
  if (length > 65536) Refuse(path, "damaged .npy header");
  std::string text(length, '\0');
  if (!file.read(text.data(), length)) Refuse(path, "cut off within its header");
  return text;
}

// numpy writes equal arrays' headers equally, so what is wanted can be compared as text.
inline void CheckHeader(std::string text, const Spec& spec, const std::string& path) {
  text.erase(text.find_last_not_of(" \n") + 1);
  const std::string wanted = HeaderText(spec.dtype, spec.shape);
  if (text == wanted) return;
  for (char& letter : text) {
    if (letter < ' ' || letter > '~') letter = '?';
  }
  Refuse(path, "holds " + text.substr(0, 200) + ", but input '" + spec.name + "' is " + wanted);
}

// The tensor in the file, which has to be what `spec` says.
inline ffi::Tensor ReadNpy(const std::string& path, const Spec& spec) {
  std::ifstream file(path, std::ios::binary);
  if (!file) Refuse(path, "can't be read");
  CheckHeader(ReadHeader(file, path), spec, path);
  ffi::Tensor tensor = ffi::Tensor::FromNDAlloc(AlignedAllocator(), ffi::ShapeView(spec.shape.data(), spec.shape.size()),
                                                spec.dtype, DLDevice{kDLCPU, 0});
  const auto bytes = static_cast<std::streamsize>(ffi::GetDataSize(tensor));
  if (!file.read(static_cast<char*>(tensor.data_ptr()), bytes)) Refuse(path, "cut off: holds too little data");
  if (file.peek() != std::ifstream::traits_type::eof()) Refuse(path, "holds more data than its header says");
  return tensor;
}

// Writes beside the path and renames, so that the file is there whole or not at all.
inline void WriteNpy(const std::string& path, const ffi::Tensor& tensor) {
  std::string header = HeaderText(tensor.dtype(), tensor.shape());
  const size_t before = kMagicSize + 4;
  header.append(kAlignment - 1 - (before + header.size()) % kAlignment, ' ').push_back('\n');
  const std::string part = path + ".part";
  std::ofstream file(part, std::ios::binary | std::ios::trunc);
  file.write(kMagic, kMagicSize).put(1).put(0);
  file.put(static_cast<char>(header.size() & 0xff)).put(static_cast<char>(header.size() >> 8));
  file << header;
  file.write(static_cast<const char*>(tensor.data_ptr()), static_cast<std::streamsize>(ffi::GetDataSize(tensor)));
  file.close();
  if (!file || std::rename(part.c_str(), path.c_str()) != 0) {
    std::remove(part.c_str());
    Refuse(path, "can't be written");
  }
}

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_NPY_H_
