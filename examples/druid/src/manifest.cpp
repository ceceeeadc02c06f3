#include "manifest.hpp"

#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace etl::inline v0::druid {
namespace {

namespace json = boost::json;

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* const found = object.if_contains(name);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

}  // namespace

std::string to_json(const Manifest& manifest) {
  json::array objects;
  for (const StagedObject& one : manifest.objects)
    objects.push_back(json::object{{"key", one.key}, {"rows", one.rows}});
  return json::serialize(json::object{{"version", 1},
                                      {"state", manifest.loaded ? "loaded" : "submitted"},
                                      {"task", manifest.task},
                                      {"content", manifest.content},
                                      {"objects", std::move(objects)}});
}

Result<Manifest> parse_manifest(std::string_view text, std::string_view name) {
  boost::system::error_code failed;
  const json::value value = json::parse(text, failed);
  const json::object* const object = failed ? nullptr : value.if_object();
  const json::value* const objects = object == nullptr ? nullptr : object->if_contains("objects");
  if (objects == nullptr || !objects->is_array())
    return fatal(fmt::format(
        "{}: this object is not a manifest of a staging; remove the object and the staged rows next to it", name));
  Manifest made{.content = text_of(*object, "content"),
                .task = text_of(*object, "task"),
                .loaded = text_of(*object, "state") == "loaded"};
  for (const json::value& one : objects->get_array()) {
    if (!one.is_object()) continue;
    StagedObject staged{.key = text_of(one.get_object(), "key")};
    if (const json::value* const rows = one.get_object().if_contains("rows"); rows != nullptr && rows->is_number())
      staged.rows = rows->to_number<std::uint64_t>(failed);
    if (!staged.key.empty()) made.objects.push_back(std::move(staged));
  }
  return made;
}

}  // namespace etl::inline v0::druid
