// The files of the bundle that this code belongs to. It was built with their digests, so whoever trusts the code can
// trust what it reads.
#ifndef RDPASS_RUNTIME_BUNDLE_FILES_H_
#define RDPASS_RUNTIME_BUNDLE_FILES_H_

#include <string>
#include <vector>

#include "network.h"

namespace rdpass {

class BundleFiles {
 public:
  // Throws a Failure where the folder holds anything but regular files of the bundle and their folders.
  BundleFiles(const std::string& folder, const std::vector<FileDigest>& digests);
  ~BundleFiles();
  BundleFiles(const BundleFiles&) = delete;

  // A path to the very file whose bytes have just been hashed, whatever is put in its place: its descriptor's, which
  // stays open as long as this object. Files that differ never have one path.
  // Throws a Failure where it is not what was built.
  std::string Checked(const std::string& name);

  // The names that begin with `start`.
  std::vector<std::string> Below(const std::string& start) const;

  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
  std::vector<FileDigest> digests_;
  std::vector<int> held_;
};

// The folder that this program lies in, links followed.
std::string BundleFolder();

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_BUNDLE_FILES_H_
