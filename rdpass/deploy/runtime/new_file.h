// Files that appear whole or not at all, and never in the place of what nobody told to replace.
#ifndef RDPASS_RUNTIME_NEW_FILE_H_
#define RDPASS_RUNTIME_NEW_FILE_H_

#include <cstddef>
#include <string>
#include <vector>

namespace rdpass {

// Throws a Failure that names the place where one of the outputs
// - is an input, under whatever name, or the place of another output;
// - lies in `folder`, which is the bundle's and stays as it was built;
// - is a link, a device, a pipe or a folder; or is there already, and `force` is not given.
void CheckPlaces(const std::vector<std::string>& outputs, const std::vector<std::string>& inputs,
                 const std::string& folder, bool force);

// A file beside its place, under a name that nobody has, until it is kept. One that is not kept is removed.
class NewFile {
 public:
  NewFile(const std::string& path, bool force);
  ~NewFile();
  NewFile(NewFile&& other) noexcept;
  NewFile(const NewFile&) = delete;
  void Write(const void* data, size_t size);
  // Brings it to the disk.
  void Sync();
  // Renames it to its place. Without force, what has come there meanwhile stays, and a Failure says so.
  void Keep();

 private:
  [[noreturn]] void Fail() const;
  std::string path_, temporary_;
  bool force_;
  int file_;
};

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_NEW_FILE_H_
