#include "bundle_files.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>

#include "failure.h"
#include "file_status.h"
#include "sha256.h"

namespace rdpass {
namespace {

// Written after this code was linked: it can't know their digests, and reads none of them.
constexpr const char* kUnread[] = {"run",           "librdpass_network.so", "README.txt",
                                   "manifest.json", "SHA256SUMS",           "manifest.sig"};

[[noreturn]] void Refuse(const std::string& name, const std::string& reason) {
  throw Failure(kNotAsBuilt, name + " " + reason + "; build or copy the bundle again");
}

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

std::vector<std::string> Entries(const std::string& path) {
  const std::unique_ptr<DIR, CloseFolder> folder(opendir(path.c_str()));
  if (!folder) Refuse(path, std::string("can't be read: ") + std::strerror(errno));
  std::vector<std::string> names;
  while (const dirent* entry = readdir(folder.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool StartsWith(const std::string& text, const std::string& start) { return text.compare(0, start.size(), start) == 0; }

const FileDigest* Find(const std::vector<FileDigest>& digests, const std::string& name) {
  const auto is_named = [&](const FileDigest& digest) { return digest.name == name; };
  const auto found = std::find_if(digests.begin(), digests.end(), is_named);
  return found == digests.end() ? nullptr : &*found;
}

bool IsKnownFile(const std::vector<FileDigest>& digests, const std::string& name) {
  const auto end = std::end(kUnread);
  return Find(digests, name) != nullptr || std::find(std::begin(kUnread), end, name) != end;
}

bool IsKnownFolder(const std::vector<FileDigest>& digests, const std::string& name) {
  return std::any_of(digests.begin(), digests.end(),
                     [&](const FileDigest& digest) { return StartsWith(digest.name, name + "/"); });
}

void CheckFolder(const std::vector<FileDigest>& digests, const std::string& folder, const std::string& below) {
  for (const std::string& entry : Entries(folder + "/" + below)) {
    const std::string name = below + entry;
    struct stat found;
    if (!Status(folder + "/" + name, AT_SYMLINK_NOFOLLOW, &found)) Refuse(name, "can't be read");
    if (S_ISDIR(found.st_mode) && IsKnownFolder(digests, name)) {
      CheckFolder(digests, folder, name + "/");
    } else if (!IsKnownFile(digests, name)) {
      Refuse(name.substr(0, 200), "is not part of the bundle");
    } else if (!S_ISREG(found.st_mode)) {
      Refuse(name, "is a link, a folder, a pipe or a device, and a bundle holds files alone");
    }
  }
}

// Of the file in `folder`, no part of whose name is followed if it is a link.
int OpenFile(const std::string& folder, const std::string& name) {
  int at = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  size_t start = 0;
  while (at >= 0 && start < name.size()) {
    const size_t slash = std::min(name.find('/', start), name.size());
    const int next = openat(at, name.substr(start, slash - start).c_str(),
                            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    const int reason = errno;
    close(at);
    errno = reason;
    at = next;
    start = slash + 1;
  }
  if (at < 0) Refuse(name, errno == ENOENT ? "is missing" : std::string("can't be read: ") + std::strerror(errno));
  return at;
}

std::string DigestOf(int file, const std::string& name) {
  struct stat found;
  if (!Status(file, &found) || !S_ISREG(found.st_mode)) Refuse(name, "is no file");
  Sha256 sha;
  std::vector<char> piece(1 << 16);
  off_t at = 0;
  for (;;) {
    const ssize_t size = pread(file, piece.data(), piece.size(), at);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) Refuse(name, std::string("can't be read: ") + std::strerror(errno));
    if (size == 0) return sha.Finish();
    sha.Update(piece.data(), static_cast<size_t>(size));
    at += size;
  }
}

// The loader takes a library for one that it has if that was loaded under the same path, and numbers of descriptors
// come again: the path says what the file holds, 64 bits of its digest spelled as steps to the same folder.
std::string PathOf(int file, const std::string& digest) {
  std::string path = "/proc/self/fd/";
  for (const char letter : digest.substr(0, 16)) {
    for (int bit = 0; bit < 7; ++bit) path += letter >> bit & 1 ? ".//" : "./";
  }
  return path + std::to_string(file);
}

}  // namespace

std::string BundleFolder() {
  char path[PATH_MAX];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
  if (size <= 0 || size == sizeof(path)) throw Failure(kUsage, "/proc/self/exe does not say where this program lies");
  const std::string program(path, static_cast<size_t>(size));
  return program.substr(0, program.rfind('/'));
}

BundleFiles::BundleFiles(const std::string& folder, const std::vector<FileDigest>& digests)
    : folder_(folder), digests_(digests) {
  CheckFolder(digests_, folder_, "");
}

BundleFiles::~BundleFiles() {
  for (const int file : held_) close(file);
}

std::string BundleFiles::Checked(const std::string& name) {
  const FileDigest* const known = Find(digests_, name);
  if (known == nullptr) Refuse(name, "is not part of the bundle");
  held_.push_back(OpenFile(folder_, name));
  if (DigestOf(held_.back(), name) != known->sha256) Refuse(name, "has changed since it was built");
  return PathOf(held_.back(), known->sha256);
}

std::vector<std::string> BundleFiles::Below(const std::string& start) const {
  std::vector<std::string> names;
  for (const FileDigest& digest : digests_) {
    if (StartsWith(digest.name, start)) names.push_back(digest.name);
  }
  return names;
}

}  // namespace rdpass
