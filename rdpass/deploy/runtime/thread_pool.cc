#include "thread_pool.h"

#include <pthread.h>

namespace rdpass {
namespace {

// As on.wait(lock), which GCC 12 made a new function of libstdc++: a shared library would not load with older ones.
void Wait(std::condition_variable& on, std::unique_lock<std::mutex>& lock) {
  pthread_cond_wait(on.native_handle(), lock.mutex()->native_handle());
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  try {
    workers_.reserve(static_cast<size_t>(threads - 1));
    for (int index = 1; index < threads; ++index) workers_.emplace_back([this, index] { Work(index); });
  } catch (...) {
    Stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { Stop(); }

void ThreadPool::Run(void (*task)(void*, int), void* data) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    task_ = task;
    data_ = data;
    busy_ = static_cast<int>(workers_.size());
    ++round_;
  }
  begun_.notify_all();
  task(data, 0);
  std::unique_lock<std::mutex> lock(mutex_);
  while (busy_ != 0) Wait(ended_, lock);
}

void ThreadPool::Work(int index) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (unsigned seen = 0;;) {
    while (!stopping_ && round_ == seen) Wait(begun_, lock);
    if (stopping_) return;
    seen = round_;
    const auto task = task_;
    void* const data = data_;
    lock.unlock();
    task(data, index);
    lock.lock();
    if (--busy_ == 0) ended_.notify_one();
  }
}

void ThreadPool::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  begun_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

}  // namespace rdpass
