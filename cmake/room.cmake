# room(NAME [SEES ROOM...] [USES LIBRARY...])
#
# Declares src/NAME as a static library from its .c files. A room's headers are staged into the build
# tree under its own name, and a room gets only the include folders of the rooms it may see: an
# include that points upward does not compile.
function(room name)
  cmake_parse_arguments(ROOM "" "" "SEES;USES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.c)
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.h)

  set(door ${PROJECT_BINARY_DIR}/rooms/${name})
  file(MAKE_DIRECTORY ${door})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR}/${name} ${door}/${name} SYMBOLIC)

  add_library(${name} STATIC ${sources} ${headers})
  target_include_directories(${name} PUBLIC ${door} ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(${name} PRIVATE shardmill_flags ${ROOM_USES})
  foreach(seen ${ROOM_SEES})
    target_link_libraries(${name} PUBLIC ${seen})
  endforeach()
endfunction()
