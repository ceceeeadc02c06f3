#include "session.hpp"

namespace etl::inline v0::http {

std::unique_ptr<Session> Sessions::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto session = std::move(idle_.back());
      idle_.pop_back();
      return session;
    }
  }
  auto made = std::make_unique<Session>();
  made->multi.reset(curl_multi_init());
  made->easy.reset(curl_easy_init());
  if (!made->multi || !made->easy) return nullptr;
  return made;
}

void Sessions::give_back(std::unique_ptr<Session> session) {
  constexpr std::size_t most = 64;  // if more threads than this are in use, some must connect again
  const std::lock_guard lock(mutex_);
  if (idle_.size() < most) idle_.push_back(std::move(session));
}

}  // namespace etl::inline v0::http
