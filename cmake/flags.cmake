# Flags of every target of ours. Never -march=native: the machine that builds is not the one that runs.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O3 -g1")

add_library(shardmill_flags INTERFACE)
target_compile_options(shardmill_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
  -Wformat=2 -Wundef -Wcast-qual -Wwrite-strings
  -fstack-protector-strong -fno-omit-frame-pointer)
target_compile_definitions(shardmill_flags INTERFACE
  _GNU_SOURCE SM_VERSION="${PROJECT_VERSION}")
if(SHARDMILL_PORTABLE)
  target_compile_definitions(shardmill_flags INTERFACE SM_FIND_CA_BUNDLE)
endif()
if(SHARDMILL_WERROR)
  target_compile_options(shardmill_flags INTERFACE -Werror)
endif()
if(SHARDMILL_SANITIZE)
  target_compile_options(shardmill_flags INTERFACE
    -fsanitize=${SHARDMILL_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(shardmill_flags INTERFACE -fsanitize=${SHARDMILL_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(shardmill_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
