// What lies at a path.
#ifndef RDPASS_RUNTIME_FILE_STATUS_H_
#define RDPASS_RUNTIME_FILE_STATUS_H_

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

namespace rdpass {

// The system's own call: of the C library's, stat and its kin ask for glibc 2.33 where they are compiled against it.
inline bool Status(const std::string& path, int flags, struct stat* found) {
  return syscall(SYS_newfstatat, AT_FDCWD, path.c_str(), found, flags) == 0;
}

inline bool Status(int file, struct stat* found) {
  return syscall(SYS_newfstatat, file, "", found, AT_EMPTY_PATH) == 0;
}

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_FILE_STATUS_H_
