// Threads that wait for parallel loops, started once.
#ifndef RDPASS_RUNTIME_THREAD_POOL_H_
#define RDPASS_RUNTIME_THREAD_POOL_H_

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace rdpass {

class ThreadPool {
 public:
  // `threads` counts the one that calls Run. Throws a std::system_error where the system has no more.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  // Calls task(data, index) once for every thread, and returns when all have returned. Allocates nothing.
  void Run(void (*task)(void* data, int index), void* data);

 private:
  void Work(int index);
  void Stop();

  std::mutex mutex_;
  std::condition_variable begun_, ended_;
  void (*task_)(void*, int) = nullptr;
  void* data_ = nullptr;
  unsigned round_ = 0;
  int busy_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace rdpass

#endif  // RDPASS_RUNTIME_THREAD_POOL_H_
