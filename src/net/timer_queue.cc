#include "net/timer_queue.h"

#include <utility>

namespace trilby::net {

void TimerQueue::start(Entry& entry, Clock::time_point due, std::function<void()> on_time) {
  entry.on_time = std::move(on_time);
  entry.due = due;
  if (entry.place == kNowhere) {
    heap_.push_back({});
    sift_up(heap_.size() - 1, {due, &entry});
  } else if (due < heap_[entry.place].at) {
    sift_up(entry.place, {due, &entry});
  }
}

void TimerQueue::erase(Entry& entry) {
  const std::size_t place = std::exchange(entry.place, kNowhere);
  if (place == kNowhere) {
    return;
  }
  const Node last = heap_.back();
  heap_.pop_back();
  if (place == heap_.size()) {
    return;
  }
  if (place > 0 && last.at < heap_[(place - 1) / 2].at) {
    sift_up(place, last);
  } else {
    sift_down(place, last);
  }
}

Clock::time_point TimerQueue::wake_at() const {
  return heap_.empty() ? Clock::time_point::max() : heap_.front().at;
}

void TimerQueue::run_due(Clock::time_point now) {
  while (!heap_.empty() && heap_.front().at <= now) {
    Entry& entry = *heap_.front().entry;
    if (entry.on_time && entry.due > now) {
      sift_down(0, {entry.due, &entry});
      continue;
    }
    erase(entry);
    if (const auto on_time = std::exchange(entry.on_time, nullptr)) {
      on_time();  // may destroy the entry
    }
  }
}

void TimerQueue::put(std::size_t place, Node node) {
  node.entry->place = place;
  heap_[place] = node;
}

void TimerQueue::sift_up(std::size_t place, Node node) {
  while (place > 0) {
    const std::size_t parent = (place - 1) / 2;
    if (heap_[parent].at <= node.at) {
      break;
    }
    put(place, heap_[parent]);
    place = parent;
  }
  put(place, node);
}

void TimerQueue::sift_down(std::size_t place, Node node) {
  for (std::size_t child = 2 * place + 1; child < heap_.size(); child = 2 * place + 1) {
    if (child + 1 < heap_.size() && heap_[child + 1].at < heap_[child].at) {
      ++child;
    }
    if (node.at <= heap_[child].at) {
      break;
    }
    put(place, heap_[child]);
    place = child;
  }
  put(place, node);
}

}  // namespace trilby::net
