import { describe, expect, it } from 'vitest';
import { FleetSnapshot, type LocationRecord, type NodeEndpoint } from './fleet-snapshot.js';
import { locationList } from './location.schema.js';
import { listLocations, quantise } from './locations.service.js';

const location = (id: string, enabled = true): LocationRecord => ({
  id,
  country: 'DE',
  city: id,
  latitude: 50,
  longitude: 8,
  enabled,
});

const node = (id: string, more: Partial<NodeEndpoint> = {}): NodeEndpoint => ({
  id,
  locationId: 'here',
  publicKey: 'A'.repeat(44),
  ip: '192.0.2.1',
  ipV6: undefined,
  port: 51820,
  capacity: 10,
  currentLoad: 0,
  status: 'healthy',
  credentialHints: '',
  ...more,
});

const snapshotOf = (nodes: NodeEndpoint[], live: Record<string, number> = {}) =>
  new FleetSnapshot({ locations: [location('here'), location('there')], nodes }, new Map(Object.entries(live)));

const drawnFrom = (snapshot: FleetSnapshot, id = 'here') =>
  new Set(Array.from({ length: 200 }, () => snapshot.pick(id).map((node) => node.id)).flat());

describe('FleetSnapshot', () => {
  it('picks only healthy nodes of the location', () => {
    const snapshot = snapshotOf([
      node('a'),
      node('b', { status: 'unhealthy' }),
      node('c', { status: 'draining' }),
      node('d', { status: 'retired' }),
      node('e', { locationId: 'there' }),
      node('f'),
    ]);
    expect(drawnFrom(snapshot)).toEqual(new Set(['a', 'f']));
    expect(drawnFrom(snapshot, 'there')).toEqual(new Set(['e']));
    expect(snapshot.pick('nowhere')).toEqual([]);
  });

  it('does not pick a node without room, but still returns its endpoint', () => {
    const snapshot = snapshotOf([node('full'), node('last'), node('free')], { full: 10, last: 9 });
    expect(drawnFrom(snapshot)).toEqual(new Set(['last', 'free']));
    snapshot.setLive('last', 10);
    expect(drawnFrom(snapshot)).toEqual(new Set(['free']));
    expect(snapshot.nodes.get('last')).toMatchObject({ id: 'last', status: 'healthy' });
    snapshot.setLive('unknown', 1);
  });

  it('counts nodes by status', () => {
    const snapshot = snapshotOf([node('a'), node('b', { status: 'draining' }), node('c', { status: 'draining' })]);
    expect(snapshot.countByStatus()).toEqual({ healthy: 1, unhealthy: 0, draining: 2, retired: 0 });
  });
});

describe('listLocations', () => {
  it('shows the mean load of the healthy nodes, and whether one has room', () => {
    const nodes = [
      node('a', { currentLoad: 100 }),
      node('b', { currentLoad: 4 }),
      node('c', { status: 'unhealthy', currentLoad: 100 }),
    ];
    const { locations } = listLocations(snapshotOf(nodes));
    expect(locations).toMatchObject([
      { id: 'here', load: 50, available: true },
      { id: 'there', load: 100, available: false },
    ]);
    expect(locationList.parse({ locations })).toEqual({ locations });
    expect(listLocations(snapshotOf([node('a')], { a: 10 })).locations[0]).toMatchObject({
      load: 100,
      available: false,
    });
  });

  it('omits disabled locations', () => {
    const snapshot = new FleetSnapshot(
      { locations: [location('here', false), location('there')], nodes: [] },
      new Map(),
    );
    expect(listLocations(snapshot).locations.map(({ id }) => id)).toEqual(['there']);
  });

  it.each([
    [0, 0],
    [0.124, 0],
    [0.125, 25],
    [0.374, 25],
    [0.5, 50],
    [0.87, 75],
    [0.875, 100],
    [1, 100],
    [1.2, 100],
  ])('rounds a load of %d to %d', (load, shown) => {
    expect(quantise(load)).toBe(shown);
  });
});
