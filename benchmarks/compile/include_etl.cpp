#include <etl/etl.hpp>
