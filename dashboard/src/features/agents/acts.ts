// What a person does to an agent.
import { answer, type Schemas, type Signal } from "../../api/client";
import { machineToAct } from "../../machines/fleet";

export async function spawn(machineId: string, body: Schemas["SpawnRequest"]) {
  return answer(machineToAct(machineId).POST("/v1/agents", { body }));
}

export async function stop(machineId: string, id: string): Promise<void> {
  await answer(machineToAct(machineId).POST("/v1/agents/{id}/stop", at(id)));
}

export async function sendSignal(machineId: string, id: string, signal: Signal): Promise<void> {
  const body = { signal };
  await answer(machineToAct(machineId).POST("/v1/agents/{id}/signal", { ...at(id), body }));
}

export async function remove(machineId: string, id: string): Promise<void> {
  await answer(machineToAct(machineId).DELETE("/v1/agents/{id}", at(id)));
}

function at(id: string) {
  return { params: { path: { id } } };
}
