#include "new_file.h"

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "failure.h"
#include "file_status.h"

namespace rdpass {
namespace {

constexpr unsigned kNoReplace = 1;
constexpr int kMostNames = 1000;

[[noreturn]] void Refuse(const std::string& path, const std::string& reason) {
  throw Failure(kUsage, path + ": " + reason);
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// Where a path leads, links followed; as it is where nothing is there.
std::string RealPath(const std::string& path) {
  char* const real = realpath(path.c_str(), nullptr);
  const std::string found = real ? real : path;
  std::free(real);
  return found;
}

// Of a place where nothing need lie: its folder's, links followed, and its name.
std::string RealPlace(const std::string& path) { return RealPath(FolderOf(path)) + "/" + NameOf(path); }

bool IsSameFile(const std::string& one, const std::string& other) {
  struct stat a, b;
  return Status(one, 0, &a) && Status(other, 0, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

void CheckPlace(const std::string& path, bool force) {
  struct stat found;
  if (!Status(path, AT_SYMLINK_NOFOLLOW, &found)) {
    if (errno == ENOENT && access(FolderOf(path).c_str(), W_OK | X_OK) == 0) return;
    Refuse(path, std::string("can't be written: ") + std::strerror(errno));
  }
  if (S_ISLNK(found.st_mode)) Refuse(path, "is a link, and links are not replaced");
  if (S_ISDIR(found.st_mode)) Refuse(path, "is a folder");
  if (!S_ISREG(found.st_mode)) Refuse(path, "is a device, a pipe or a socket, and these are not replaced");
  if (!force) Refuse(path, "exists already; give another place, or --force to replace it");
}

// As rename, but never over what is there.
bool RenameNew(const std::string& from, const std::string& to) {
  if (syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), kNoReplace) == 0) return true;
  if (errno != ENOSYS && errno != EINVAL) return false;
  if (link(from.c_str(), to.c_str()) != 0) return false;  // an old system, or a file system that has no such rename
  unlink(from.c_str());
  return true;
}

// The name is on the disk too; some file systems can't sync a folder, and then nothing is lost by going on.
void SyncFolder(const std::string& folder) {
  const int file = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  fsync(file);
  close(file);
}

}  // namespace

void CheckPlaces(const std::vector<std::string>& outputs, const std::vector<std::string>& inputs,
                 const std::string& folder, bool force) {
  const std::string bundle = RealPath(folder) + "/";
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string place = RealPlace(outputs[i]);
    for (const std::string& input : inputs) {
      if (RealPlace(input) == place || IsSameFile(input, outputs[i])) {
        Refuse(outputs[i], "is an input, and would be written over");
      }
    }
    for (size_t j = 0; j < i; ++j) {
      if (RealPlace(outputs[j]) == place) Refuse(outputs[i], "is given for two outputs");
    }
    if (place.compare(0, bundle.size(), bundle) == 0) {
      Refuse(outputs[i], "lies in the bundle, which is to stay as it was built; give another place");
    }
    CheckPlace(outputs[i], force);
  }
}

NewFile::NewFile(const std::string& path, bool force) : path_(path), force_(force), file_(-1) {
  const std::string start = FolderOf(path) + "/." + NameOf(path).substr(0, 200) + "." + std::to_string(getpid()) + ".";
  for (int i = 0; i < kMostNames && file_ < 0; ++i) {
    temporary_ = start + std::to_string(i) + ".part";
    file_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (file_ < 0 && errno != EEXIST) break;
  }
  if (file_ < 0) {
    temporary_.clear();
    Fail();
  }
}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::move(other.temporary_)), force_(other.force_), file_(other.file_) {
  other.temporary_.clear();
  other.file_ = -1;
}

NewFile::~NewFile() {
  if (file_ >= 0) close(file_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void NewFile::Write(const void* data, size_t size) {
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = write(file_, from, size < SSIZE_MAX ? size : SSIZE_MAX);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) Fail();
    from += written;
    size -= static_cast<size_t>(written);
  }
}

void NewFile::Sync() {
  if (fsync(file_) != 0) Fail();
  const int file = file_;
  file_ = -1;
  if (close(file) != 0) Fail();
}

void NewFile::Keep() {
  if (force_) {
    CheckPlace(path_, true);
    if (std::rename(temporary_.c_str(), path_.c_str()) != 0) Fail();
  } else if (!RenameNew(temporary_, path_)) {
    Fail();
  }
  temporary_.clear();
  SyncFolder(FolderOf(path_));
}

void NewFile::Fail() const { Refuse(path_, std::string("can't be written: ") + std::strerror(errno)); }

}  // namespace rdpass
